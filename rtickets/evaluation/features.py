"""Features of examples: what the head of a network sees."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from rtickets import models
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation.predict import Network
from rtickets.models.calling import features
from rtickets.platform import preemption
from rtickets.tasks import Task

POOLED = "pooled"


def pooled_features(
    network: Network, split: Split, task: Task, transform: Transform, batch_size: int
) -> np.ndarray:
    """Return the pooled features of all examples, float32 (N, D).

    Every process computes all of them, on one of its devices.

    Raises:
        InputError: for a network whose backbone is not told apart from its head.
        Preempted: if the process was asked to stop.
    """
    check_backbone(network)
    run = _compiled(network.model, task, transform)
    weights = jax.device_put((network.params, network.batch_stats))
    parts, count = [], len(split)
    for start in range(0, count, batch_size):
        preemption.check()
        # the last batch is filled up, so that nothing is compiled twice
        part = np.minimum(np.arange(start, start + batch_size), count - 1)
        found = run(*weights, split.take(part).decoded())
        parts.append(np.asarray(found)[: count - start])
    return np.concatenate(parts)


def features_fn(network: Network, level: str = POOLED) -> Callable[[Array], Array]:
    """Return a backbone as a function of inputs (B, ...) to the features of a level, float32.

    It is a `Partial` that shares compiled programs with every network of the same model.

    Args:
        level: 'pooled', what the head sees, or a name of `Features.levels`.

    Raises:
        InputError: for a network whose backbone is not told apart from its head.
    """
    check_backbone(network)
    return Partial(_level_of(network.model, level), network.params, network.batch_stats)


def check_level(network: Network, level: str, shape: tuple[int, ...]) -> None:
    """Refuse a level that a network has not, by the shape (H, W, C) of an input.

    Raises:
        InputError: naming those that it has.
    """
    check_backbone(network)
    found = jax.eval_shape(
        lambda x: features(network.model, network.params, network.batch_stats, x)[0],
        jax.ShapeDtypeStruct((1, *shape), jnp.float32),
    )
    known = (POOLED, *found.levels)
    if level not in known:
        raise InputError(f"level={level!r} is none of this network's: {', '.join(known)}")


def check_backbone(network: Network) -> None:
    """Refuse a network whose backbone is not told apart from its head."""
    if not isinstance(network.model, models.BackboneAndHead):
        raise InputError(
            f"{type(network.model).__name__} has no backbone of features; subclass "
            "rtickets.models.BackboneAndHead"
        )


@lru_cache(maxsize=64)
def _level_of(model: models.Model, level: str) -> Callable[..., Array]:
    def forward(params: Any, state: Any, x: Array) -> Array:
        found = features(model, params, state, x)[0]
        chosen = found.pooled if level == POOLED else found.levels[level]
        return chosen.astype(jnp.float32)

    return forward


@lru_cache(maxsize=16)
def _compiled(model: models.Model, task: Task, transform: Transform) -> Any:
    def run(params: Any, state: Any, raw: Any) -> Any:
        batch = task.prepare(transform, raw)
        inputs = task.seen(batch, batch[task.input])
        return features(model, params, state, inputs)[0].pooled

    return jax.jit(run)
