from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks.apgd_l1 import ApgdL1
from rtickets.attacks.losses import margin
from rtickets.attacks.search import Job, run

SHAPES = ((1, 1, 3), (2, 5, 1), (6, 4, 3))


def linear(weights, bias, x):
    return x.reshape(len(x), -1) @ weights + bias


@lru_cache
def linear_model(shape):
    return Partial(linear, jax.random.normal(jax.random.key(0), (int(np.prod(shape)), 3)), 0.0)


def search(num_steps, loss="margin", num_classes=3):
    return ApgdL1("l1", num_steps, loss, targeted=False, samples=0, num_classes=num_classes)


def jobs(shape, batch, eps, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.uniform(0, 1, (batch, *shape)).astype(np.float32)
    x[0] = generator.choice([0, 1])  # an image in a corner of the range
    y = jnp.asarray(generator.integers(0, 3, batch), jnp.int32)
    keys = jax.random.split(jax.random.key(seed), batch)
    return Job(jnp.asarray(x), y, y, keys, jnp.full(batch, eps, jnp.float32))


def radius(x_adv, x):
    delta = np.abs(np.asarray(x_adv, np.float64) - np.asarray(x, np.float64))
    return delta.reshape(len(x), -1).sum(-1)


def largest_gain(slope, x, eps):
    """Fill entries up in the order of their slopes until the radius is spent."""
    room, gain = np.where(slope > 0, 1 - x, x), 0.0
    for index in np.argsort(-np.abs(slope)):
        move = min(room[index], eps)
        gain, eps = gain + move * abs(slope[index]), eps - move
    return gain


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(SHAPES),
    st.sampled_from([0.0, 1e-30, 1e-3, 0.3, 4.0, 100.0]),
    st.integers(0, 50),
)
def test_stays_in_the_ball_and_in_range(shape, eps, seed):
    job = jobs(shape, 3, eps, seed)
    state = run(search(4), linear_model(shape), job)
    assert state.x_adv.dtype == jnp.float32
    rounding = job.x[0].size * 6e-8  # of every pixel
    assert (radius(state.x_adv, job.x) <= eps * (1 + 1e-5) + rounding).all()
    assert 0 <= state.x_adv.min() <= state.x_adv.max() <= 1
    if eps == 0:
        np.testing.assert_allclose(state.x_adv, job.x, rtol=0, atol=1e-7)


@pytest.mark.parametrize("eps", [0.05, 0.5, 3.0, 12.0])
@pytest.mark.parametrize("num_steps", [40, 100])
def test_reaches_the_optimum_of_a_linear_model(eps, num_steps):
    """The radius fills one pixel in part, one and a part, and many; the bias rules out success."""
    shape = (5, 5, 2)
    slope = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    weights = np.stack([np.zeros_like(slope), slope], 1)
    logits_fn = Partial(linear, jnp.asarray(weights), jnp.array([100.0, 0.0]))
    job = jobs(shape, 6, eps)._replace(y=jnp.zeros(6, jnp.int32), target=jnp.zeros(6, jnp.int32))
    state = run(search(num_steps, num_classes=2), logits_fn, job)
    gained = np.asarray(state.x_adv - job.x, np.float64).reshape(6, -1) @ slope
    best = [largest_gain(slope, x.ravel(), eps) for x in np.asarray(job.x)]
    np.testing.assert_allclose(gained, best, rtol=1e-5)


def test_records_only_points_of_the_last_phase():
    """Fooled with three radii, not with one: no success may be claimed."""
    x, y = jnp.full((2, 4, 4, 1), 0.5), jnp.zeros(2, jnp.int32)

    def logits_fn(x):
        gain = (x - 0.5).sum((1, 2, 3))
        return jnp.stack([jnp.full_like(gain, 1.0), gain], 1)

    job = Job(x, y, y, jax.random.split(jax.random.key(0), 2), jnp.array([0.5, 1.5]))
    state = run(search(20), logits_fn, job)
    np.testing.assert_array_equal(state.fooled, [False, True])
    assert (radius(state.x_adv, x) <= np.array([0.5, 1.5]) * (1 + 1e-5)).all()


def test_the_result_is_the_best_image_evaluated_in_the_last_phase():
    shape = (6, 4, 3)
    logits_fn, job, attack = linear_model(shape), jobs(shape, 4, 0.4), search(10, loss="ce")
    step = jax.jit(lambda job, state, count: attack.step(logits_fn, job, state, count))
    state, radii, fooled = jax.jit(attack.start)(job), [], np.zeros(4, bool)
    for count in range(attack.evaluations):
        radii.append(radius(state.x, job.x).max() / 0.4)
        if count >= 8:  # phases of 3, 3 and 4 steps and the evaluations at their starts
            fooled |= np.asarray(logits_fn(state.x).argmax(-1) != job.y)
        state = step(job, state, jnp.full(4, count))
        np.testing.assert_array_equal(state.fooled, fooled)
        assert (radius(state.x_adv, job.x) <= 0.4 * (1 + 1e-5)).all()
    np.testing.assert_allclose(radii, [3] * 4 + [2] * 4 + [1] * 5, rtol=1e-4)
    np.testing.assert_array_equal(logits_fn(state.x_adv).argmax(-1) != job.y, fooled)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 100])
def test_the_phases_use_up_the_steps(num_steps):
    attack = search(num_steps)
    phase, steps, done = attack._clock(jnp.arange(attack.evaluations))
    assert len(phase) == num_steps + 3
    ends = np.flatnonzero(np.asarray(done == steps))
    np.testing.assert_array_equal(np.asarray(phase)[ends], [0, 1, 2])
    assert ends[-1] == len(phase) - 1
    assert steps[-1] >= 1


def test_an_example_does_not_depend_on_its_batch_or_on_the_counts_of_others():
    shape = (6, 4, 3)
    logits_fn, job, attack = linear_model(shape), jobs(shape, 4, 0.3), search(12)
    alone = jax.tree.map(lambda leaf: leaf[2:3], job)
    whole, single = run(attack, logits_fn, job), run(attack, logits_fn, alone)
    np.testing.assert_allclose(whole.x_adv[2:3], single.x_adv, atol=1e-6)
    assert whole.fooled[2] == single.fooled[0]
    start, counts = jax.jit(attack.start), jnp.array([0, 14, 3, 7])
    step = jax.jit(lambda job, state, count: attack.step(logits_fn, job, state, count))
    mixed, one = step(job, start(job), counts), step(alone, start(alone), counts[2:3])
    for several, leaf in zip(mixed, one, strict=True):
        np.testing.assert_allclose(several[2:3], leaf, atol=1e-6)


def test_a_model_without_gradients_is_not_beaten():
    def logits_fn(x):
        brightness = jnp.round(64 * x).mean((1, 2, 3))
        return jnp.stack([jnp.full_like(brightness, 35.0), brightness], 1)

    x, y = jnp.full((3, 6, 6, 1), 0.5), jnp.zeros(3, jnp.int32)
    job = Job(x, y, y, jax.random.split(jax.random.key(0), 3), jnp.full(3, 3.6))
    state = run(search(10, num_classes=2), logits_fn, job)
    assert not state.fooled.any()
    assert np.isfinite(state.x_adv).all()


def test_targets_are_aimed_at():
    shape = (6, 4, 3)
    job = jobs(shape, 6, 10.0)
    attack = ApgdL1("l1", 20, "dlr", targeted=True, samples=0, num_classes=3)
    logits_fn = linear_model(shape)
    for shift in (1, 2):
        aimed = job._replace(target=(job.y + shift) % 3)
        logits = logits_fn(run(attack, logits_fn, aimed).x_adv)
        assert (margin(logits, aimed.y, aimed.target) > 0).all()
