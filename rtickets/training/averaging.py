"""Exponential moving averages of the weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.masks import Params
from rtickets.training.settings import AveragingConfig


class Average(NamedTuple):
    """A running average.

    Attributes:
        steps: int32 scalar, number of steps averaged.
        params: float32, of the trained parameters; zero where they are pruned, unless the program
            keeps masked ones.
        batch_stats: float32, of the normalisation statistics.
    """

    steps: Array
    params: Params
    batch_stats: Any


def start(config: AveragingConfig, params: Params, batch_stats: Any) -> Average | None:
    """Return the average before the first step, these values, or None without averaging."""
    if not config.decay:
        return None
    return Average(jnp.zeros((), jnp.int32), params, batch_stats)


def advance(
    config: AveragingConfig, average: Average | None, params: Params, batch_stats: Any
) -> Average | None:
    """Take one step's values into the average, which moves by a share of the difference.

    So what does not change, such as a pruned weight, stays what it is exactly.

    Returns:
        decay * average + (1 - decay) * values; with a warm-up the decay after n steps is min(decay,
        (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage.
    """
    if average is None:
        return None
    decay = jnp.float32(config.decay)
    if config.warmup:
        decay = jnp.minimum(decay, (1 + average.steps) / (10 + average.steps))

    def move(old: Array, new: Array) -> Array:
        return old + (1 - decay) * (new - old)

    old, new = (average.params, average.batch_stats), (params, batch_stats)
    return Average(average.steps + 1, *jax.tree.map(move, old, new))
