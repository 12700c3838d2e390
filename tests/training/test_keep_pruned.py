import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rtickets
from rtickets import masks
from rtickets.errors import InputError

OPTIMIZERS = {
    "momentum": optax.sgd(0.1, momentum=0.9),
    "adamw": optax.adamw(0.1, weight_decay=0.5),
    "lars": optax.lars(0.1, weight_decay=0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.add_decayed_weights(0.1),
                           optax.sgd(0.1, nesterov=True, momentum=0.9)),
    "accumulated": optax.MultiSteps(optax.sgd(0.1), 2),
}  # fmt: skip


@pytest.fixture
def params():
    keys = jax.random.split(jax.random.key(0), 2)
    return {
        "a": {"kernel": jax.random.normal(keys[0], (6, 8)), "bias": jnp.zeros(8)},
        "b": {"kernel": jax.random.normal(keys[1], (8, 3)), "bias": jnp.zeros(3)},
    }


@pytest.fixture
def mask(params):
    return rtickets.draw_omp(params, 0.7)


def loss(params):
    hidden = jnp.tanh(jnp.ones((4, 6)) @ params["a"]["kernel"] + params["a"]["bias"])
    return jnp.square(hidden @ params["b"]["kernel"] + params["b"]["bias"] - 1).mean()


def train(params, optimizer, steps=50):
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def dead(mask, tree):
    leaves = zip(jax.tree.leaves(mask), jax.tree.leaves(tree), strict=True)
    return np.concatenate([np.asarray(w)[~np.asarray(m)].ravel() for m, w in leaves if m.ndim])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_are_zero_after_every_step_and_the_others_move(params, mask, name):
    start = masks.apply(mask, params)
    trained, _ = train(start, rtickets.keep_pruned(OPTIMIZERS[name], mask))
    assert not dead(mask, trained).any()
    assert loss(trained) < loss(start)
    assert not np.array_equal(trained["a"]["kernel"], start["a"]["kernel"])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_weights_that_were_not_masked_are_zero_after_one_step(params, mask, dtype):
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    trained, _ = train(params, rtickets.keep_pruned(optax.sgd(0.1), mask), steps=1)
    assert not dead(mask, trained).any()
    assert {leaf.dtype for leaf in jax.tree.leaves(trained)} == {jnp.dtype(dtype)}


def test_momentum_and_clipping_do_not_count_pruned_weights(params, mask):
    gradients = jax.tree.map(jnp.ones_like, params)
    optimizer = rtickets.keep_pruned(
        optax.chain(optax.clip_by_global_norm(1.0), optax.trace(0.9)), mask
    )
    updates, state = optimizer.update(gradients, optimizer.init(params), masks.apply(mask, params))
    assert not dead(mask, state[1].trace).any()
    alive = jax.tree.leaves(masks.apply(mask, updates))
    norm = np.linalg.norm(np.concatenate([np.ravel(leaf) for leaf in alive]))
    np.testing.assert_allclose(norm, 1.0, rtol=1e-6)


def test_the_dense_mask_changes_nothing(params):
    wrapped = rtickets.keep_pruned(OPTIMIZERS["adamw"], masks.full(params))
    for ours, plain in zip(
        jax.tree.leaves(train(params, wrapped)[0]),
        jax.tree.leaves(train(params, OPTIMIZERS["adamw"])[0]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-6)


def test_every_network_under_vmap_has_its_own_mask(params):
    drawn = [rtickets.draw_omp(params, sparsity) for sparsity in (0.5, 0.9)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *drawn)

    def one_step(mask):
        optimizer = rtickets.keep_pruned(optax.adamw(0.1), mask)
        start = masks.apply(mask, params)
        updates, _ = optimizer.update(jax.grad(loss)(start), optimizer.init(start), start)
        return optax.apply_updates(start, updates)

    trained = jax.vmap(one_step)(stacked)
    for index, mask in enumerate(drawn):
        assert not dead(mask, jax.tree.map(lambda leaf: leaf[index], trained)).any()  # noqa: B023


def test_an_update_without_parameters_and_another_network_s_mask_are_refused(params, mask):
    optimizer = rtickets.keep_pruned(optax.sgd(0.1), mask)
    state = optimizer.init(params)
    with pytest.raises(InputError, match="params"):
        optimizer.update(params, state)
    with pytest.raises(InputError, match="kernel"):
        optimizer.init({"a": params["a"], "b": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}})


@pytest.mark.parametrize("optimizer", [optax.sgd, {"a": True}, "sgd", None])
def test_what_is_no_optimiser_is_refused_at_once(mask, optimizer):
    with pytest.raises(InputError) as error:
        rtickets.keep_pruned(optimizer, mask)
    assert type(optimizer).__name__ in str(error.value)
    assert "optax" in str(error.value)


def test_what_is_no_mask_is_refused_at_once(params):
    with pytest.raises(InputError, match="a/bias"):
        rtickets.keep_pruned(optax.sgd(0.1), params)
