"""Outputs of layers that answer the same to every input, so that nothing passes through them.

A channel without a surviving weight emits a constant; so does one whose normalisation multiplies by
zero, and one that sees nothing but constants. The mask tells the first alone; here the network is
run.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import models
from rtickets.errors import InputError
from rtickets.evaluation.predict import Network
from rtickets.models.calling import layers

_ROUNDING = 1e-5  # of the largest answer: what float32 makes of equal inputs


class Outputs(NamedTuple):
    """Outputs of a layer.

    Attributes:
        path: of the layer.
        constant: how many answer the same to every input, each at every place.
        total: how many there are.
    """

    path: str
    constant: int
    total: int


def constant_outputs(network: Network, batches: Iterable[Any]) -> list[Outputs]:
    """Count the outputs of every layer with weights that do not depend on the input.

    Args:
        network: the network, its weights masked.
        batches: inputs (B, ...) as it takes them, two at least in all.

    Returns:
        A line a layer, in the order of their names.

    Raises:
        InputError: for fewer inputs, of which everything is constant.
    """
    run = _ranges(network.model)
    low: Any = None
    high: Any = None
    count = 0
    for batch in batches:
        count += len(jax.tree.leaves(batch)[0])
        found = jax.device_get(run(network.params, network.batch_stats, batch))
        if low is None:
            low, high = found
        else:
            low = jax.tree.map(np.minimum, low, found[0])
            high = jax.tree.map(np.maximum, high, found[1])
    if count < 2:
        raise InputError(f"{count} inputs do not tell what depends on them; give two or more")
    return [
        Outputs(path, int(each.sum()), each.size)
        for path, each in sorted((path, _constant(low[path], high[path])) for path in low)
    ]


def _constant(low: tuple[np.ndarray, ...], high: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return which channels are constant in all calls of a layer, of (..., channels) each."""
    found = []
    for least, most in zip(low, high, strict=True):
        places = tuple(range(least.ndim - 1))
        size = np.maximum(np.abs(least), np.abs(most)).max(places)
        found.append((most - least).max(places) <= _ROUNDING * size)
    return np.all(found, axis=0)


@lru_cache(maxsize=16)
def _ranges(model: models.Model) -> Any:
    """Return the function from weights, state and a batch to least and largest answers."""

    def ranges(params: Any, state: Any, inputs: Any) -> Any:
        found = layers(model, params, state, inputs)
        wide = jax.tree.map(lambda each: each.astype(jnp.float32), found)
        return jax.tree.map(lambda x: x.min(0), wide), jax.tree.map(lambda x: x.max(0), wide)

    return jax.jit(ranges)
