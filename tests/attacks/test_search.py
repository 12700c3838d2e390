from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks.apgd import Apgd
from rtickets.attacks.apgd_l1 import ApgdL1
from rtickets.attacks.fab import Fab
from rtickets.attacks.losses import margin
from rtickets.attacks.pgd import Pgd
from rtickets.attacks.search import (
    Job,
    advance,
    begin_search,
    call_model,
    choose,
    evaluate,
    is_fooled,
    join_model,
    run,
    split_model,
)
from rtickets.attacks.square import Square

KEY = jax.random.key(4)
SEARCHES = (
    Pgd("l2", 3, best=True, rule="adam"),
    Apgd("linf", 5, "ce", False, 0, 3),
    ApgdL1("l1", 5, "dlr", False, 0, 3),
    Fab("l2", 3, True, 3),
    Square("linf", 5),
)
traces = []


def forward(weights, x):
    traces.append(len(x))
    return jnp.tanh(x.reshape(len(x), -1) @ weights)


def network(seed=0):
    return Partial(forward, jax.random.normal(jax.random.key(seed), (4, 3)))


def some_job(batch=4):
    x = jax.random.uniform(KEY, (batch, 2, 2, 1))
    y = jnp.arange(batch) % 3
    return Job(x, y, y, jax.random.split(KEY, batch), jnp.full(batch, 0.1), jnp.full(batch, 0.03))


def test_misclassified_or_nan_is_fooled():
    logits = jnp.array([[1.0, 2.0], [2.0, 1.0], [jnp.nan, 1.0], [jnp.nan, jnp.nan], [1.0, 1.0]])
    np.testing.assert_array_equal(
        is_fooled(logits, jnp.array([1, 1, 0, 0, 0])), [False, True, True, True, False]
    )


def test_choosing_is_per_example_for_every_rank():
    yes, no = ({"a": jnp.full((2, 3, 1), value), "b": jnp.full(2, value)} for value in (1, 0))
    chosen = choose(jnp.array([True, False]), yes, no)
    np.testing.assert_array_equal(chosen["a"][:, :, 0], [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(chosen["b"], [1, 0])


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, weights.shape))(keys)
    return jnp.einsum("bd,bdc->bc", x.reshape(len(x), -1), weights + noise)


def test_a_random_model_gives_the_average_gradient_over_its_samples():
    weights, job, samples = network().args[0], some_job(), 5
    model = Partial(noisy, weights)
    found = jax.jit(lambda job: evaluate(model, margin, job, job.x, job.key, samples))(job)

    @jax.jit
    @partial(jax.vmap, in_axes=1)
    def draw(keys):
        return jax.value_and_grad(lambda x: margin(model(x, keys), job.y, job.y).sum())(job.x)

    losses, gradients = draw(jax.vmap(partial(jax.random.split, num=samples))(job.key))
    np.testing.assert_allclose(found.gradient, gradients.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.loss.sum(), losses.mean(), rtol=1e-5)
    assert np.abs(found.gradient - gradients[0]).max() > 0.1  # one sample would say otherwise
    mean = call_model(model, job.x, job.key, samples).mean(0)
    np.testing.assert_array_equal(found.fooled, is_fooled(mean, job.y))


def test_gradients_that_are_not_finite_become_zero():
    def broken(x):
        flat = x.reshape(len(x), -1)
        return jnp.stack([jnp.sqrt(flat[:, 0] - 0.5), flat[:, 1], flat[:, 2]], 1)

    zero = jnp.zeros(2, int)
    images = jnp.full((2, 2, 2, 1), 0.5).at[1].set(0.7)
    job = some_job(2)._replace(x=images, y=zero, target=zero)
    found = jax.jit(lambda job: evaluate(broken, margin, job, job.x, job.key))(job)
    assert np.isfinite(found.gradient).all()
    assert found.gradient[0].ravel()[0] == 0  # the slope is infinite there
    assert found.gradient[1].ravel()[0] != 0


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_a_state_has_examples_first_and_the_types_that_a_step_keeps(search):
    job = some_job()
    before = jax.eval_shape(partial(begin_search, search), job)
    after = jax.eval_shape(
        lambda job, state: search.step(network(), job, state, jnp.zeros(4, int)), job, before
    )
    assert before.x_adv.dtype == jnp.float32
    assert before.fooled.dtype == bool
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert one.shape[0] == 4
        assert not one.weak_type
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_one_trace_serves_the_whole_attack_and_every_network_of_the_function(search):
    traces.clear()
    first = run(search, network(), some_job())
    assert len(traces) == 1
    second = run(search, network(1), some_job()._replace(eps=jnp.full(4, 0.3)))
    assert len(traces) == 1
    leaves = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    assert any((one != other).any() for one, other in leaves)


@pytest.mark.parametrize("unroll", [True, False])
def test_compiled_into_a_caller_it_does_the_same(unroll):
    search, job = SEARCHES[0], some_job()
    outside = run(search, network(), job)
    inside = jax.jit(
        lambda weights, job: run(search, Partial(forward, weights), job, unroll=unroll)
    )
    np.testing.assert_allclose(inside(network().args[0], job).x_adv, outside.x_adv, atol=1e-6)


def test_an_unrolled_attack_has_no_loop():
    search, job = SEARCHES[0], some_job()

    def loops(unroll):
        return str(jax.make_jaxpr(lambda job: run(search, network(), job, unroll=unroll))(job))

    assert "scan[" not in loops(True)
    assert "scan[" in loops(False)


def test_an_example_without_evaluations_left_stays_as_it_is():
    search, job = SEARCHES[0], some_job()
    state = jax.jit(partial(begin_search, search))(job)
    step = jax.jit(partial(advance, search, network()))
    moved, count = step(job, state, jnp.array([0, 3, 4, 9]))
    np.testing.assert_array_equal(count, [1, 4, 4, 9])  # it takes 4
    same = (np.asarray(moved.x) == np.asarray(state.x)).reshape(4, -1).all(1)
    np.testing.assert_array_equal(same, [False, False, True, True])


def test_a_model_is_split_into_function_and_data_and_joined_again():
    model = network()
    function, arguments = split_model(model)
    assert function is forward
    x = some_job().x
    np.testing.assert_array_equal(join_model(function, arguments)(x), model(x))
    assert split_model(len) == (len, ((), {}))
