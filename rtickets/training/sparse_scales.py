"""L1 on scales of normalisation layers, each with a weight of its own, so that some become 0."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import Array

from rtickets.masks import Params


class SearchState(NamedTuple):
    """What a search goes by, part of the state of a run: its events change it.

    Attributes:
        weights: of the penalty, float32 (n,) by the path of the scales (n,); 0 leaves one alone.
        alive: bool (n,) by path, which channels live.
        rho: float32, the weight of the mean channel.
    """

    weights: dict[str, Any]
    alive: dict[str, Any]
    rho: Any


def add_penalty(
    weights: Mapping[str, Array], params: Params, gradients: Params, step: Array, warmup: int
) -> tuple[Array, Params]:
    """Return the sum of weights times absolute scales, and gradients with those of it.

    Args:
        weights: as of `Search`.
        params: the network's.
        gradients: of the mean loss, with respect to them.
        step: number of steps done.
        warmup: number of steps over which the sum rises from 0.
    """
    rise = jnp.minimum(1.0, (step + 1) / max(warmup, 1)).astype(jnp.float32)
    scales, slopes = flatten_dict(params, sep="/"), flatten_dict(gradients, sep="/")
    total = jnp.zeros((), jnp.float32)
    for path, weight in weights.items():
        total += rise * (weight * jnp.abs(scales[path])).sum()
        slopes[path] += rise * weight * jnp.sign(scales[path])
    return total, unflatten_dict(slopes, sep="/")
