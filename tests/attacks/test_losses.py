import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.attacks.losses import cross_entropy, dlr, make_loss, margin, why_margin
from rtickets.errors import InputError

LOGITS = [1.0, 2.0, 4.0, 8.0]
NAMES = ("ce", "margin", "dlr")
SUM = sum(np.exp(LOGITS))


def value(loss, logits, y, target=None):
    logits, y = jnp.array([logits], jnp.float32), jnp.array([y])
    return float(loss(logits, y, y if target is None else jnp.array([target]))[0])


@pytest.mark.parametrize(
    ("loss", "y", "target", "expected"),
    [
        (cross_entropy, 3, None, np.log(SUM) - 8),
        (cross_entropy, 0, None, np.log(SUM) - 1),
        (cross_entropy, 3, 1, 2 - np.log(SUM)),
        (margin, 3, None, 4 - 8),
        (margin, 0, None, 8 - 1),
        (margin, 3, 0, 1 - 8),
        (dlr, 3, None, (4 - 8) / (8 - 2)),
        (dlr, 2, None, (8 - 4) / (8 - 2)),
        (dlr, 0, None, (8 - 1) / (8 - 2)),
        (dlr, 3, 0, (1 - 8) / (8 - (1 + 2) / 2)),
        (dlr, 1, 2, (4 - 2) / (8 - (1 + 2) / 2)),
    ],
)
def test_literal_values(loss, y, target, expected):
    np.testing.assert_allclose(value(loss, LOGITS, y, target), expected, rtol=1e-5)


def test_the_margin_is_positive_exactly_where_the_label_has_lost():
    logits = jax.random.normal(jax.random.key(0), (200, 5))
    y = jnp.arange(200) % 5
    np.testing.assert_array_equal(margin(logits, y, y) > 0, logits.argmax(-1) != y)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 1000), st.floats(-50, 50), st.integers(0, 4), st.integers(0, 4))
def test_the_ratio_does_not_depend_on_shift_and_scale(scale, shift, y, target):
    logits = np.array([0.3, -1.2, 2.5, 0.9, -0.4])
    moved = scale * (logits + shift)
    np.testing.assert_allclose(
        value(dlr, moved, y, target), value(dlr, logits, y, target), rtol=2e-3, atol=2e-4
    )


@pytest.mark.parametrize(("classes", "targeted"), [(2, False), (2, True), (3, True)])
def test_too_few_classes_get_the_margin_and_say_so(classes, targeted):
    assert make_loss("dlr", classes, targeted=targeted) is margin
    reason = why_margin("dlr", classes, targeted=targeted)
    assert f"needs {4 if targeted else 3} classes, there are {classes}" in reason


@pytest.mark.parametrize(
    ("name", "classes", "targeted"),
    [("dlr", 3, False), ("dlr", 4, True), ("ce", 2, True), ("margin", 2, False)],
)
def test_enough_classes_keep_the_loss(name, classes, targeted):
    assert why_margin(name, classes, targeted=targeted) is None
    expected = {"ce": cross_entropy, "margin": margin, "dlr": dlr}[name]
    assert make_loss(name, classes, targeted=targeted) is expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("targeted", [False, True])
def test_equal_logits_give_finite_losses_and_gradients(name, targeted):
    loss = make_loss(name, 5, targeted=targeted)
    logits, y = jnp.ones((5, 5)), jnp.arange(5)
    target = (y + 1) % 5 if targeted else y
    losses, gradient = jax.value_and_grad(lambda logits: loss(logits, y, target).sum())(logits)
    assert np.isfinite(losses)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_does_not_see_the_others(name):
    loss = make_loss(name, 4, targeted=True)
    logits, y = jax.random.normal(jax.random.key(1), (6, 4)), jnp.arange(6) % 4
    target = jnp.array([0, 0, 0, 1, 1, 1])  # the first example is not aimed at a class
    changed = logits.at[1::2].set(1e4)
    np.testing.assert_array_equal(loss(logits, y, target)[::2], loss(changed, y, target)[::2])


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"loss='hinge' .*ce, margin, dlr"):
        make_loss("hinge", 10)
