"""Features of examples: what the head of a network sees."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np

from rtickets import models
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation.predict import Network
from rtickets.models.calling import features
from rtickets.platform import preemption
from rtickets.tasks import Task


def pooled_features(
    network: Network, split: Split, task: Task, transform: Transform, batch_size: int
) -> np.ndarray:
    """Return the pooled features of all examples.

    Every process computes all of them, on one of its devices.

    Args:
        network: a network with a backbone.
        split: the examples.
        task: what they ask, which prepares them.
        transform: from stored pixels to the network's input.
        batch_size: of them per call.

    Returns:
        float32 (N, D).

    Raises:
        InputError: for a network whose backbone is not told apart from its head.
        Preempted: if the process was asked to stop.
    """
    if not isinstance(network.model, models.BackboneAndHead):
        raise InputError(
            f"{type(network.model).__name__} has no backbone of features; subclass "
            "rtickets.models.BackboneAndHead"
        )
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


@lru_cache(maxsize=16)
def _compiled(model: models.Model, task: Task, transform: Transform) -> Any:
    def run(params: Any, state: Any, raw: Any) -> Any:
        inputs = task.prepare(transform, raw)[task.input]
        return features(model, params, state, inputs)[0].pooled

    return jax.jit(run)
