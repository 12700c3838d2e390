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
from rtickets.attacks.search import Job, choose, run

NORMS = ("linf", "l2", "l1")
SHAPE = (4, 4, 1)
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


def linear(weights, x):
    return (x.reshape(len(x), -1) - 0.5) @ weights


def mlp(weights, x):
    first, second = weights
    return jax.nn.relu((x.reshape(len(x), -1) - 0.5) @ first - 0.1) @ second


def bent(weights, x):
    """Two classes; the margin bends upwards before the boundary."""
    height = linear(weights, x)[:, 0] - 0.7
    return jnp.stack([jnp.zeros_like(height), height + 2 * jax.nn.relu(height + 0.2)], -1)


def normal(shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def linear_model(num_classes=2, shape=SHAPE):
    return Partial(linear, normal((int(np.prod(shape)), num_classes)))


def mlp_model(num_classes=4, shape=SHAPE):
    return Partial(mlp, (normal((int(np.prod(shape)), 12)), normal((12, num_classes), 1)))


def images(batch, low=0.3, high=0.7, shape=SHAPE):
    return jax.random.uniform(jax.random.key(9), (batch, *shape), minval=low, maxval=high)


def make_job(logits_fn, x, eps=10.0):
    """Labels are the predictions and targets the second likely classes."""
    order = jnp.argsort(logits_fn(x), axis=-1).astype(jnp.int32)
    keys = jax.random.split(jax.random.key(3), len(x))
    eps = jnp.broadcast_to(jnp.asarray(eps, jnp.float32), len(x))
    return Job(x, order[:, -1], order[:, -2], keys, eps)


def attack(logits_fn, job, norm="l2", steps=8, targeted=True, random_start=False):
    classes = logits_fn(job.x).shape[-1]
    job = job._replace(random_start=jnp.full(len(job.y), random_start))
    return run(Fab(norm, steps, targeted, classes), logits_fn, job)


def size(delta, norm):
    flat = np.abs(np.asarray(delta, np.float64)).reshape(len(delta), -1)
    return {"linf": flat.max(-1), "l2": np.sqrt((flat**2).sum(-1)), "l1": flat.sum(-1)}[norm]


def assert_honest(state, job, logits_fn, norm):
    """Check that x_adv is exactly in ball and range and decides as claimed, alone and together."""
    x_adv, x = np.asarray(state.x_adv), np.asarray(job.x)
    assert x_adv.dtype == np.float32
    assert ((x_adv >= 0) & (x_adv <= 1)).all()
    assert (size(x_adv.astype(np.float64) - x, norm) <= np.asarray(job.eps, np.float64)).all()
    alone = jnp.concatenate([logits_fn(image[None]) for image in state.x_adv])
    for logits in (alone, logits_fn(state.x_adv)):
        np.testing.assert_array_equal(logits.argmax(-1) != job.y, state.fooled)
    np.testing.assert_array_equal(x_adv[~state.fooled], x[~state.fooled])


def closed_form(weights, job, norm):
    """Distances (B, classes) to the boundaries of a linear model, in float64, without a box."""
    w, rows = np.asarray(weights, np.float64), np.arange(len(job.y))
    logits = linear(w, np.asarray(job.x, np.float64))
    margins = logits[rows, job.y][:, None] - logits
    slopes = np.linalg.norm(w[:, :, None] - w[:, None, job.y], DUAL[norm], axis=0).T
    return np.where(slopes > 0, margins / np.maximum(slopes, 1e-9), np.inf)


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


@pytest.mark.parametrize("random_start", [True, False])
def test_misclassified_images_and_radius_zero_stay(random_start):
    logits_fn, wrong = mlp_model(), jnp.arange(8) < 3
    job = make_job(logits_fn, images(8), eps=0.0)
    job = job._replace(y=jnp.where(wrong, (job.y + 1) % 4, job.y))
    state = attack(logits_fn, job, random_start=random_start)
    np.testing.assert_array_equal(state.x_adv, job.x)
    np.testing.assert_array_equal(state.fooled, wrong)
    np.testing.assert_array_equal(state.distance == 0, wrong)


def test_a_random_start_depends_on_the_key_and_the_radius():
    logits_fn = mlp_model()
    job = make_job(logits_fn, images(6), 0.2)
    job, search = job._replace(random_start=jnp.arange(6) < 4), Fab("linf", 1, True, 4)
    starts = [
        search.start(job._replace(key=jax.random.split(key, 6))).x
        for key in jax.random.split(jax.random.key(0))
    ]
    assert (np.abs(starts[0] - starts[1]).max((1, 2, 3))[:4] > 0.01).all()
    reach = np.abs(starts[0] - job.x).max((1, 2, 3))
    assert ((reach[:4] > 0.05) & (reach[:4] <= 0.1 + 1e-6)).all()
    assert (reach[4:] == 0).all()


def test_runs_with_and_without_a_random_start_share_arrays():
    logits_fn = mlp_model()
    job = make_job(logits_fn, images(6), 0.2)
    some = jnp.arange(6) % 2 == 0
    mixed = run(Fab("l2", 5, True, 4), logits_fn, job._replace(random_start=some))
    for starts, where in ((True, some), (False, ~some)):
        alone = attack(logits_fn, job, steps=5, random_start=starts)
        np.testing.assert_allclose(mixed.nearest[where], alone.nearest[where], atol=1e-5)


def constant(value, x):
    return jnp.full((len(x), 3), value) + 0 * x.sum((1, 2, 3))[:, None]


@pytest.mark.parametrize(("norm", "targeted"), [("linf", True), ("l2", False), ("l1", True)])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_without_slopes_nothing_moves(norm, targeted, value):
    x, logits_fn = images(3), Partial(constant, value)
    job = make_job(logits_fn, x, 0.1)._replace(y=jnp.array([0, 1, 2]))
    state = attack(logits_fn, job, norm, 8, targeted)
    np.testing.assert_allclose(state.x, x, rtol=0, atol=2.4e-7)  # mixing x with x rounds
    np.testing.assert_array_equal(state.x_adv, x)
    np.testing.assert_array_equal(state.fooled, [np.isnan(value), True, True])


@pytest.mark.parametrize("targeted", [True, False])
def test_slopes_that_are_not_finite_count_as_zero(targeted):
    def logits_fn(x):
        root = jnp.sqrt(x - 0.5).sum((1, 2, 3))
        return jnp.stack([jnp.ones(len(x)), root], -1)

    x = jnp.full((2, *SHAPE), 0.5)
    state = attack(logits_fn, make_job(logits_fn, x), targeted=targeted)
    np.testing.assert_array_equal(state.x, x)


@pytest.mark.parametrize(("norm", "targeted"), [("linf", True), ("l2", False), ("l1", True)])
def test_an_example_does_not_depend_on_its_batch(norm, targeted):
    logits_fn = mlp_model()
    job = make_job(logits_fn, images(8), 0.1)
    whole = attack(logits_fn, job, norm, targeted=targeted)
    part = attack(logits_fn, jax.tree.map(lambda a: a[4:5], job), norm, targeted=targeted)
    np.testing.assert_allclose(whole.distance[4:5], part.distance, rtol=1e-4)
    np.testing.assert_allclose(whole.nearest[4:5], part.nearest, atol=1e-4)
    np.testing.assert_array_equal(whole.fooled[4:5], part.fooled)


def test_examples_may_be_at_different_counts():
    logits_fn, search = mlp_model(), Fab("l2", 8, True, 4)
    job = make_job(logits_fn, images(8))
    whole = run(search, logits_fn, job)

    @jax.jit
    def step(state, count):
        active = (count >= 0) & (count < search.evaluations)
        return choose(active, search.step(logits_fn, job, state, count), state)

    state = search.start(job)
    for index in range(search.evaluations + 7):
        state = step(state, index - jnp.arange(8))
    np.testing.assert_allclose(state.nearest, whole.nearest, atol=1e-5)


def test_a_bfloat16_model_is_attacked_in_float32():
    weights = linear_model(3).args[0].astype(jnp.bfloat16)

    def logits_fn(x):
        return linear(weights, x.astype(jnp.bfloat16))

    job = make_job(logits_fn, images(6), 0.3)
    state = attack(logits_fn, job, "linf", 6, targeted=False)
    assert all(a.dtype in (jnp.float32, bool) for a in state)
    assert state.fooled.all()
    assert_honest(state, job, logits_fn, "linf")
    expected = closed_form(weights.astype(jnp.float32), job, "linf").min(-1)
    np.testing.assert_allclose(state.distance, expected, atol=0.01)


@pytest.mark.parametrize("targeted", [True, False])
def test_a_step_evaluates_the_model_once(targeted):
    calls = []

    def logits_fn(x):
        calls.append(x.shape)
        return mlp(weights, x)

    weights = mlp_model().args[0]
    job = make_job(mlp_model(), images(3))
    search = Fab("l2", 3, targeted, 4)
    jax.eval_shape(lambda: search.step(logits_fn, job, search.start(job), jnp.zeros(3, jnp.int32)))
    assert calls == [(3, *SHAPE)]
