import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.attacks import pgd
from rtickets.errors import InputError

NORMS = ("linf", "l2")
SHAPE = (4, 4, 1)
KEY = jax.random.key(3)


def linear_model(num_classes=2, shape=SHAPE, seed=0):
    weights = jax.random.normal(jax.random.key(seed), (int(np.prod(shape)), num_classes))
    return weights, lambda x: x.reshape(len(x), -1) @ weights


def grey(batch=3, shape=SHAPE):
    return 0.4 + 0.2 * jax.random.uniform(jax.random.key(9), (batch, *shape))


def margins(logits, y):
    own = jnp.take_along_axis(logits, y[:, None], 1)[:, 0]
    other = jnp.take_along_axis(logits, 1 - y[:, None], 1)[:, 0]
    return own - other


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
@pytest.mark.parametrize("steps", [1, 10])
def test_reaches_the_optimum_of_a_linear_model(norm, dual, steps):
    weights, logits_fn = linear_model()
    x, y, eps = grey(), jnp.array([0, 1, 0]), 0.05
    step_size = eps if steps == 1 else 2 * eps
    x_adv = pgd(
        logits_fn, x, y, KEY, eps=eps, step_size=step_size, num_steps=steps, norm=norm,
        random_start=steps > 1,
    )  # fmt: skip
    loss_of_margin = eps * np.linalg.norm(weights[:, 0] - weights[:, 1], dual)
    reached = margins(logits_fn(x), y) - margins(logits_fn(x_adv), y)
    np.testing.assert_allclose(reached, loss_of_margin, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([(1, 1, 1), (2, 3, 1), (4, 4, 3)]),
    st.integers(1, 4),
    st.sampled_from(NORMS),
    st.floats(0, 1),
    st.integers(0, 3),
    st.integers(0, 100),
)
def test_stays_in_the_ball_and_in_range(shape, batch, norm, eps, steps, seed):
    generator = np.random.default_rng(seed)
    _, logits_fn = linear_model(3, shape)
    x = generator.uniform(0, 1, (batch, *shape)).astype(np.float32)
    x[0] = generator.choice([0, 1])  # an image in a corner of the range
    y = jnp.asarray(generator.integers(0, 3, batch))
    x_adv = np.asarray(
        pgd(logits_fn, jnp.asarray(x), y, KEY, eps=eps, step_size=0.7 * eps, num_steps=steps,
            norm=norm)
    )  # fmt: skip
    delta = np.abs(x_adv.astype(np.float64) - x).reshape(batch, -1)
    size = delta.max(-1) if norm == "linf" else np.sqrt((delta**2).sum(-1))
    assert (size <= eps * (1 + 1e-5) + 1e-6).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_radius_zero_is_the_identity(norm):
    _, logits_fn = linear_model()
    x = jax.random.uniform(KEY, (3, *SHAPE))
    y = jnp.zeros(3, jnp.int32)
    x_adv = pgd(logits_fn, x, y, KEY, eps=0.0, step_size=0.1, num_steps=3, norm=norm)
    np.testing.assert_array_equal(x_adv, x)


@pytest.mark.parametrize("norm", NORMS)
def test_zero_gradients_give_no_nan_and_no_movement(norm):
    x, y = grey(), jnp.zeros(3, jnp.int32)
    x_adv = pgd(
        lambda images: jnp.zeros((len(images), 2)), x, y, KEY, eps=0.1, step_size=0.1, num_steps=3,
        norm=norm, random_start=False,
    )  # fmt: skip
    np.testing.assert_array_equal(x_adv, x)


@pytest.mark.parametrize("norm", NORMS)
def test_an_example_does_not_depend_on_its_batch(norm):
    _, logits_fn = linear_model(3)
    x, y = grey(6), jnp.array([0, 1, 2, 0, 1, 2])
    keys = jax.random.split(KEY, 6)
    options = {"eps": 0.1, "step_size": 0.03, "num_steps": 3, "norm": norm}
    whole = pgd(logits_fn, x, y, keys, **options)
    part = pgd(logits_fn, x[4:5], y[4:5], keys[4:5], **options)
    np.testing.assert_allclose(whole[4:5], part, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_rolled_and_unrolled_loops_agree(norm):
    _, logits_fn = linear_model(3)
    x, y = grey(), jnp.array([0, 1, 2])
    options = {"eps": 0.1, "step_size": 0.03, "num_steps": 4, "norm": norm}
    rolled = pgd(logits_fn, x, y, KEY, unroll=False, **options)
    unrolled = pgd(logits_fn, x, y, KEY, unroll=True, **options)
    np.testing.assert_allclose(rolled, unrolled, atol=1e-6)


def test_the_perturbation_of_a_bfloat16_model_is_float32():
    weights, _ = linear_model()
    low = weights.astype(jnp.bfloat16)

    def logits_fn(x):
        return x.reshape(len(x), -1).astype(jnp.bfloat16) @ low

    x, y = grey(), jnp.array([0, 1, 0])
    x_adv = pgd(logits_fn, x, y, KEY, eps=1 / 255, step_size=1 / 255, num_steps=1)
    assert x_adv.dtype == jnp.float32
    delta = np.abs(np.asarray(x_adv - x))
    assert 0 < delta.max() <= 1 / 255 + 1e-6


def test_radius_and_step_are_data_not_structure():
    weights, _ = linear_model()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def attack(eps):
        def logits_fn(x):
            return x.reshape(len(x), -1) @ weights

        y = jnp.array([0, 1, 0])
        return pgd(logits_fn, grey(), y, KEY, eps=eps, step_size=eps, num_steps=1)

    small, large = attack(0.01), attack(0.1)
    assert np.abs(large - grey()).max() > 5 * np.abs(small - grey()).max()


def test_gradients_do_not_flow_through_the_attack():
    _, logits_fn = linear_model()
    y = jnp.array([0, 1, 0])

    def attacked_sum(x):
        return pgd(logits_fn, x, y, KEY, eps=0.1, step_size=0.1, num_steps=1).sum()

    np.testing.assert_array_equal(jax.grad(attacked_sum)(grey()), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l7"}, "norm='l7'"),
        ({"num_steps": -1}, "num_steps=-1"),
        ({"key": jax.random.split(KEY, 5)}, r"shape \(5,\)"),
    ],
)
def test_bad_arguments_are_named(change, message):
    _, logits_fn = linear_model()
    arguments = {"key": KEY, "eps": 0.1, "step_size": 0.1, "num_steps": 1, "norm": "linf"} | change
    with pytest.raises(InputError, match=message):
        pgd(logits_fn, grey(), jnp.zeros(3, jnp.int32), **arguments)
