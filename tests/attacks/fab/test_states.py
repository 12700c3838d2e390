"""What holds for FAB's states: starts, slopes that are none, batches, dtypes, evaluations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks.fab import Fab
from rtickets.attacks.search import choose, run
from tests.attacks.fab.conftest import (
    SHAPE,
    assert_honest,
    attack,
    closed_form,
    images,
    linear,
    linear_model,
    make_job,
    mlp,
    mlp_model,
)


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
