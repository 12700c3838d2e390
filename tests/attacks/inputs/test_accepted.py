"""What attacks accept: other forms, kinds and shapes of inputs, with the same result."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import (
    Member,
    example_keys,
    pgd,
    square,
    worst_case,
)
from rtickets.attacks.honesty import check_model
from rtickets.errors import InputError
from tests.attacks.inputs.conftest import KEY, SOME, Model, Y, linear, moved


def test_keys_belong_to_positions_or_to_the_caller():
    derived = example_keys(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(derived[2]), jax.random.key_data(jax.random.fold_in(KEY, 2))
    )
    given = jax.random.split(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(example_keys(given, 3)), jax.random.key_data(given)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 0},
        {"key": np.int64(0)},
        {"key": jnp.int32(0)},
        {"key": jax.random.PRNGKey(0)},
        {"key": np.asarray(jax.random.PRNGKey(0))},
        {"key": jax.random.key_data(example_keys(KEY, 3))},
        {"y": [0, 1, 1]},
        {"y": np.uint8(Y)},
        {"y": jnp.asarray(Y)},
        {"x": np.float64(SOME)},
        {"x": jnp.asarray(SOME)},
        {"x": SOME.tolist()},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_the_same_input_in_another_form_gives_the_same_result(changes):
    given = {"x": SOME, "y": Y, "key": KEY}
    expected = moved(linear, **given)
    np.testing.assert_array_equal(moved(linear, **given | changes), expected)
    assert np.abs(expected - SOME).max() > 0.09


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_images_of_half_precision_are_attacked_in_float32(dtype):
    x = jnp.asarray(SOME, dtype)
    np.testing.assert_array_equal(moved(linear, x, Y, 0), moved(linear, np.float32(x), Y, 0))


@pytest.mark.parametrize(
    ("shape", "norm", "eps"), [((12,), "linf", 0.5), ((3, 4), "l2", 2.0), ((2, 3, 2, 1), "l1", 6.0)]
)
def test_vectors_and_sequences_are_attacked_as_images_are(shape, norm, eps):
    generator = np.random.default_rng(5)
    x = generator.uniform(0.3, 0.7, size=(3, *shape)).astype(np.float32)
    weights = generator.normal(size=(12, 3)).astype(np.float32)

    def model(x):
        return x.reshape(len(x), -1) @ weights

    y = model(x).argmax(-1)
    members = Member("apgd_ce", 2), Member("fab", 2), Member("fab_t", 2, num_targets=1)
    for member in members:
        found = worst_case(model, x, y, KEY, eps=eps, norm=norm, members=(member,))
        assert found.x_adv.shape == x.shape
        assert not found.robust.any()
    x_adv = pgd(model, x, y, KEY, eps=eps, step_size=eps, num_steps=1, norm=norm)
    assert (model(x_adv).argmax(-1) != y).all()


def test_square_alone_needs_images():
    x = np.random.default_rng(5).uniform(size=(3, 12)).astype(np.float32)
    for attack in (square, worst_case):
        model = Model()
        with pytest.raises(InputError, match=r"square .*\(B, H, W, C\).* \(3, 12\)"):
            attack(model, x, Y, KEY, eps=0.1)
        assert model.runs == 0


def test_a_model_of_vectors_is_checked_without_square():
    x = np.random.default_rng(5).uniform(size=(16, 12)).astype(np.float32)
    weights = np.random.default_rng(6).normal(size=(12, 3)).astype(np.float32)
    y = ((x - 0.5) @ weights).argmax(-1)
    verdict = check_model(lambda x: (x - 0.5) @ weights, x, y, 0, eps=1e-3, num_steps=8)
    assert "black box" not in [finding.check for finding in verdict.findings]
    assert "unbounded" in [finding.check for finding in verdict.findings]


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.2), ("l1", 0.3)])
def test_attacks_are_in_float32_where_jax_has_64_bits(norm, eps):
    x, y, w = np.full((2, 4), 0.5), np.array([0, 1]), np.eye(4, 3)
    settings = {"eps": eps, "step_size": eps, "num_steps": 1, "norm": norm}
    attack = partial(pgd, y=y, key=0, random_start=False, **settings)
    expected = attack(lambda x: x @ w, x)
    with jax.enable_x64(True):
        found = attack(lambda x: x @ w, x)
        far = jnp.array([2**32, 1])
        with pytest.raises(InputError, match=r"labels lie in .*4294967296"):
            pgd(lambda x: x @ w, x, far, 0, **settings)
        started = pgd(lambda x: x @ w, x, y, 0, **settings)
    assert found.dtype == started.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_radii_and_images_of_other_kinds_are_read():
    x, y, w = np.full((2, 4), 0.5), np.array([0, 1]), np.eye(4, 3)
    for eps in (jnp.bfloat16(0.125), jnp.full(2, 0.125, jnp.bfloat16), np.float16(0.125)):
        found = pgd(lambda x: x @ w, x, y, 0, eps=eps, step_size=1, num_steps=1)
        assert np.abs(found - x).max() == pytest.approx(0.125)
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="images are not an array"):
        pgd(
            lambda x: x @ w,
            torch.tensor(x, requires_grad=True),
            y,
            0,
            eps=1,
            step_size=1,
            num_steps=1,
        )
