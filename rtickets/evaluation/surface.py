"""The loss around a network, on a plane through its weights (Li et al. 2018).

The plane is spanned by two random directions with as much in every filter as the weights have, so
that networks whose filters have other lengths are seen at the same scale. What stays as it is:
weights that are exactly zero, as a ticket's dead ones are, vectors such as biases and scales, and
normalisation statistics.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.evaluation.batches import over_batches
from rtickets.evaluation.examples import Examples, Network
from rtickets.evaluation.predict import joined
from rtickets.masks import Params
from rtickets.platform import parallel
from rtickets.tasks import Task


@dataclass(frozen=True)
class Losses:
    """The task's loss of every example, gathered from all devices."""

    def __call__(self, task: Task, outputs: Any, batch: dict[str, Array], valid: Array) -> Any:
        """Return the losses."""
        del valid  # what fills the last batch up is cut off on the host
        return parallel.gather(task.loss(outputs, batch))


def direction(params: Params, key: Array) -> Params:
    """Return a random direction of the length of the weights in every filter.

    A filter is what the last axis of an array of two axes or more tells apart.

    Args:
        params: float arrays.
        key: a typed PRNG key.
    """
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(structure, map(_in_filters, map(jnp.asarray, leaves), keys))


def moved(params: Params, directions: tuple[Params, Params], at: tuple[float, float]) -> Params:
    """Return the weights of a point of the plane, (0, 0) for themselves."""
    a, b = at
    return jax.tree.map(lambda w, x, y: w + a * x + b * y, params, *directions)


def grid(radius: float, points: int) -> np.ndarray:
    """Return what both coordinates go through, from -radius over 0 to radius."""
    return np.linspace(-radius, radius, points)


def loss_surface(
    network: Network,
    examples: Examples,
    directions: tuple[Params, Params],
    coordinates: np.ndarray,
    pgd: Mapping[str, Any] | None = None,
    **options: Any,
) -> np.ndarray:
    """Return the losses of examples at every point of a grid.

    Args:
        network: the network at (0, 0).
        examples: the split and its task.
        directions: of both coordinates.
        coordinates: float (P,), of both.
        pgd: attack the inputs at every point anew, see `over_batches`.
        **options: others of it.

    Returns:
        float64 (P, P, N), the first coordinate first.
    """
    chosen = options.get("chosen")
    count = len(examples.split) if chosen is None else len(chosen)

    def at_points() -> Iterator[np.ndarray]:
        for at in product(coordinates.tolist(), repeat=2):
            there = network._replace(params=moved(network.params, directions, at))
            parts = over_batches(there, examples, Losses(), pgd=pgd, **options)
            yield joined(parts, count)

    losses = np.stack(list(at_points())).astype(np.float64)
    return losses.reshape(len(coordinates), len(coordinates), count)


def _in_filters(leaf: Array, key: Array) -> Array:
    """Return noise of the length of the weights in every filter, where these are not zero."""
    if leaf.ndim < 2:
        return jnp.zeros_like(leaf)
    noise = jnp.where(leaf == 0, 0, jax.random.normal(key, leaf.shape, leaf.dtype))
    own, drawn = (_lengths(each) for each in (leaf, noise))
    return noise * (own / jnp.where(drawn == 0, 1, drawn))


def _lengths(leaf: Array) -> Array:
    return jnp.sqrt((leaf**2).sum(tuple(range(leaf.ndim - 1)), keepdims=True))
