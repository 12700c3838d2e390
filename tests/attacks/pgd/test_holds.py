"""What holds for any images: the ball, zero gradients, batches, dtypes, programs."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks import pgd
from rtickets.attacks.lengths import cube_radius
from tests.attacks.pgd.conftest import KEY, Y, grey, linear, model_of, radius

NORMS = ("linf", "l2", "l1")
CASES = [((4, 3, 2), 3, jnp.bfloat16), ((1, 1, 1), 1, jnp.float32)]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("shape", "batch", "dtype"), CASES)
@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["random", "constant", "corner"]),
    st.floats(0, 1),
    st.floats(0, 2.5),
    st.integers(0, 100),
)
def test_stays_in_the_ball_and_in_range(norm, shape, batch, dtype, images, share, step, seed):
    generator = np.random.default_rng(seed)
    largest = share * cube_radius(norm, shape)
    eps = np.where(generator.uniform(size=batch) < 0.2, 0, largest).astype(np.float32)
    x = generator.uniform(0, 1, (batch, *shape)).astype(np.float32)
    x = {"random": x, "constant": 0 * x + 0.3, "corner": x.round()}[images].astype(np.float32)
    y = generator.integers(0, 3, batch)
    model = model_of(3, shape, dtype)
    x_adv = np.asarray(
        pgd(model, x, y, KEY, eps=eps, step_size=step * eps, num_steps=3, norm=norm)
    )  # fmt: skip
    assert x_adv.dtype == np.float32
    assert (radius(x_adv, x, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    np.testing.assert_array_equal(x_adv[eps == 0], x[eps == 0])


@pytest.mark.parametrize(
    ("norm", "rule"), [*((norm, "steepest") for norm in NORMS), ("l2", "adam")]
)
def test_zero_gradients_give_no_nan_and_no_movement(norm, rule):
    flat, x = Partial(linear, jnp.zeros((16, 2))), grey()
    x_adv = pgd(
        flat, x, 0 * Y, KEY, eps=0.1, step_size=0.1, num_steps=3, norm=norm, random_start=False,
        rule=rule,
    )  # fmt: skip
    np.testing.assert_array_equal(x_adv, x)


@pytest.mark.parametrize("norm", NORMS)
def test_an_example_does_not_depend_on_its_batch(norm):
    model = model_of(3)
    x, y, keys = grey(4), jnp.array([0, 1, 2, 0]), jax.random.split(KEY, 4)
    options = {"eps": 0.1, "step_size": 0.03, "num_steps": 3, "norm": norm}
    whole = pgd(model, x, y, keys, **options)
    others = jnp.array([0, 0, 0, 3])  # of the first example three times, then the last
    moved = pgd(model, x[others], y[others], keys[others], **options)
    np.testing.assert_allclose(moved, whole[others], atol=1e-6)


def test_the_perturbation_of_a_bfloat16_model_is_float32():
    model, x = model_of(dtype=jnp.bfloat16), grey()
    x_adv = pgd(model, x, Y, KEY, eps=1 / 255, step_size=1 / 255, num_steps=1)
    assert x_adv.dtype == jnp.float32
    delta = np.abs(np.asarray(x_adv - x))
    assert 0 < delta.max() <= 1 / 255 + 1e-6


def test_radius_and_step_are_data_not_structure():
    model = model_of()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def attack(eps):
        return pgd(model, grey(), Y, KEY, eps=eps, step_size=eps, num_steps=1)

    small, large = attack(0.01), attack(0.1)
    assert np.abs(large - grey()).max() > 5 * np.abs(small - grey()).max()


def test_gradients_do_not_flow_through_the_attack():
    def attacked_sum(x):
        return pgd(model_of(), x, Y, KEY, eps=0.1, step_size=0.1, num_steps=1).sum()

    np.testing.assert_array_equal(jax.grad(attacked_sum)(grey()), 0)
