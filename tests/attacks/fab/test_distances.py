"""FAB finds the distances of linear and piecewise linear models, and its claims hold."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks.fab import Fab
from rtickets.attacks.hyperplane import move_to_hyperplane
from rtickets.attacks.search import Job
from tests.attacks.fab.conftest import (
    DUAL,
    SHAPE,
    assert_honest,
    attack,
    closed_form,
    images,
    linear,
    linear_model,
    make_job,
    mlp_model,
    normal,
    size,
)

NORMS = ("linf", "l2", "l1")


def bent(weights, x):
    """Two classes; the margin bends upwards before the boundary."""
    height = linear(weights, x)[:, 0] - 0.7
    return jnp.stack([jnp.zeros_like(height), height + 2 * jax.nn.relu(height + 0.2)], -1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("num_classes", "targeted"), [(2, True), (6, False)])
def test_distances_of_a_linear_model_are_minimal(norm, num_classes, targeted):
    logits_fn = linear_model(num_classes)
    job = make_job(logits_fn, images(8))
    expected = closed_form(logits_fn.args[0], job, norm).min(-1)
    near = expected < 0.25  # so that no pixel runs out of room
    assert near.sum() > 3
    state = attack(logits_fn, job, norm, targeted=targeted)
    np.testing.assert_allclose(state.distance[near], expected[near], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_lead_to_the_same_distances(norm):
    logits_fn = linear_model()
    job = make_job(logits_fn, images(8), eps=0.1)
    expected = closed_form(logits_fn.args[0], job, norm).min(-1)
    near = expected < 0.25
    state = attack(logits_fn, job, norm, 80, random_start=True)
    np.testing.assert_allclose(state.distance[near], expected[near], rtol=1e-3)


@pytest.mark.parametrize("norm", NORMS)
def test_distances_are_minimal_where_pixels_run_out_of_room(norm):
    logits_fn = linear_model()
    x = jnp.clip(images(8, -0.5, 1.5), 0, 1)
    job = make_job(logits_fn, x)
    logits, weights, rows = logits_fn(x), logits_fn.args[0], jnp.arange(8)
    margins = logits[rows, job.target] - logits[rows, job.y]
    slopes = (weights[:, job.target] - weights[:, job.y]).T.reshape(x.shape)
    expected = size(move_to_hyperplane(x, slopes, margins, norm), norm)
    assert (expected > 1.01 * closed_form(weights, job, norm)[rows, job.target]).sum() > 3
    state = attack(logits_fn, job, norm)
    np.testing.assert_allclose(state.distance, expected, rtol=5e-3)
    assert (state.distance > 0.9999 * expected).all()


@pytest.mark.parametrize("norm", NORMS)
def test_distances_of_a_piecewise_linear_model_are_minimal(norm):
    weights = normal((16, 1))
    logits_fn = Partial(bent, weights)
    job = make_job(logits_fn, images(8, 0.45, 0.55))
    height = np.asarray(linear(weights, job.x))[:, 0] - 0.7
    starts_before_the_bend = height < -0.2
    assert starts_before_the_bend.sum() > 5
    expected = (-0.4 / 3 - height) / np.linalg.norm(weights[:, 0], DUAL[norm])
    near = starts_before_the_bend & (expected < 0.4)
    assert near.sum() > 2
    state = attack(logits_fn, job, norm, 12)
    np.testing.assert_allclose(state.distance[near], expected[near], rtol=1e-3)


def test_without_a_target_the_nearest_boundary_is_crossed():
    weights = jnp.array([[0.0, 1.0, 0.2], [0.0, 0.0, 2.0]])
    x = jnp.array([[0.4, 0.45]]).reshape(1, 1, 2, 1)

    def logits_fn(x):
        return linear(weights, x) + jnp.array([0.0, -0.1, -0.11])

    job = Job(
        x, jnp.array([0]), jnp.array([0]), jax.random.split(jax.random.key(0), 1), jnp.ones(1)
    )
    distances = {1: 0.2, 2: (0.11 + 0.02 + 0.1) / np.hypot(0.2, 2)}
    for target, distance in distances.items():
        found = attack(logits_fn, job._replace(target=jnp.array([target]))).distance
        np.testing.assert_allclose(found, distance, rtol=1e-4)
    for targeted, nearest in ((False, 2), (True, 1)):  # else the rival with the largest logit
        found = attack(logits_fn, job, targeted=targeted).distance
        np.testing.assert_allclose(found, distances[nearest], rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([("linf", (1, 1, 1)), ("linf", (4, 3, 3)), ("l2", SHAPE), ("l1", SHAPE)]),
    st.floats(0, 0.5),
    st.integers(0, 2**16),
)
def test_the_claim_holds_exactly(case, eps, seed):
    norm, shape = case
    generator = np.random.default_rng(seed)
    logits_fn = mlp_model(3, shape)
    x = generator.uniform(0, 1, (3, *shape)).astype(np.float32)
    x[0] = generator.choice([0, 1])  # an image in a corner of the range
    job = make_job(logits_fn, jnp.asarray(x), eps)
    job = job._replace(y=jnp.asarray(generator.integers(0, 3, 3), jnp.int32))
    state = attack(logits_fn, job, norm, 4, random_start=norm == "linf")
    assert_honest(state, job, logits_fn, norm)


@pytest.mark.parametrize("norm", NORMS)
def test_success_is_a_distance_of_at_most_the_radius(norm):
    logits_fn = mlp_model()
    job = make_job(logits_fn, images(8))
    free = attack(logits_fn, job, norm)
    assert free.fooled.all()
    np.testing.assert_allclose(free.distance, size(free.nearest - job.x, norm), rtol=1e-5)
    np.testing.assert_array_equal(free.x_adv, free.nearest)
    eps = free.distance * jnp.where(jnp.arange(8) % 2, 1 + 1e-4, 1 - 1e-4)
    bounded = attack(logits_fn, job._replace(eps=eps), norm)
    np.testing.assert_array_equal(bounded.distance, free.distance)
    np.testing.assert_array_equal(bounded.fooled, jnp.arange(8) % 2 == 1)
    assert_honest(bounded, job._replace(eps=eps), logits_fn, norm)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_final_search_shortens_the_way(norm):
    logits_fn = mlp_model()
    job = make_job(logits_fn, images(12))
    search = Fab(norm, 8, True, 4)
    assert search.evaluations == 8 + 1 + 3
    step, state, count = jax.jit(partial(search.step, logits_fn)), search.start(job), job.y * 0
    for index in range(search.evaluations):
        if index == 9:
            before = state.distance
        state = step(job, state, count + index)
    assert (state.distance <= before).all()
    assert (state.distance < 0.9999 * before).sum() > 6
