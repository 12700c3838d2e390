"""The steps of a fit, compiled: one picture, or several beside each other."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets import masks, models
from rtickets.masks import Params
from rtickets.tasks.restoration import NOISE, Restoration


class State(NamedTuple):
    """What a step changes: weights, what Adam remembers, the mean of pictures, the step."""

    params: Params
    memory: Any
    average: Array
    step: Array


def paint(model: Any, params: Params, noise: Array, shape: tuple[int, ...]) -> Array:
    """Return what a network paints (B, H, W, C), cut to a shape (H, W)."""
    return models.logits(model, params, {}, noise)[:, : shape[0], : shape[1]]


def start(params: Params, shape: tuple[int, int, int]) -> State:
    """Return the state before the first step of a network that paints a shape (H, W, C)."""
    blank = jnp.zeros((1, *shape))
    return State(params, optax.scale_by_adam().init(params), blank, jnp.int32(0))


def stacked(trees: Sequence[Any]) -> Any:
    """Return equal trees beside each other, a new first axis on every leaf."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@lru_cache(maxsize=16)
def programs(
    model: Any, task: Restoration, jitter: float, temperature: float, count: int
) -> tuple[Any, Any]:
    """Return a compiled step and a compiled look at a point, of `count` fits beside each other.

    A loop of steps is slow on CPU, and so is `vmap` of convolutions: one fit has none.
    """
    adam = optax.scale_by_adam()

    def step(state: State, mask: Any, batch: Any, key: Any, rate: Any, decay: Any) -> State:
        keys = jax.random.split(jax.random.fold_in(key, state.step))
        noise = batch[NOISE]
        if jitter:
            noise = noise + jitter * jax.random.normal(keys[0], noise.shape)

        def loss(params: Params) -> tuple[Array, Array]:
            picture = paint(model, params, noise, state.average.shape[1:3])
            return task.loss(picture, batch).mean(), picture

        slope, picture = jax.grad(loss, has_aux=True)(state.params)
        updates, memory = adam.update(masks.apply(mask, slope), state.memory)
        params = jax.tree.map(lambda leaf, update: leaf - rate * update, state.params, updates)
        if temperature:
            params = _shaken(params, keys[1], temperature * rate)
        average = decay * state.average + (1 - decay) * picture
        return State(masks.apply(mask, params), memory, average, state.step + 1)

    def look(params: Params, batch: Any, average: Array) -> tuple[Array, Any, Any]:
        picture = paint(model, params, batch[NOISE], average.shape[1:3])
        return picture, task.sums(picture, batch), task.sums(average, batch)

    return jax.jit(_beside(step, count)), jax.jit(_beside(look, count))


def _beside(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    if count > 1:
        return jax.vmap(function)

    def alone(*trees: Any) -> Any:
        found = function(*jax.tree.map(lambda leaf: leaf[0], trees))
        return jax.tree.map(lambda leaf: leaf[None], found)

    return alone


def _shaken(params: Params, key: Array, size: Any) -> Params:
    """Return weights with Gaussian noise on kernels; one draw for all compiles far faster."""
    leaves, tree = jax.tree_util.tree_flatten(params)
    noise = size * jax.random.normal(key, (sum(leaf.size for leaf in leaves if leaf.ndim > 1),))
    moved, at = [], 0
    for leaf in leaves:
        if leaf.ndim > 1:
            moved.append(leaf + noise[at : at + leaf.size].reshape(leaf.shape))
            at += leaf.size
        else:
            moved.append(leaf)
    return jax.tree_util.tree_unflatten(tree, moved)
