"""Scores of a stored network, as a configuration describes them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import data, models
from rtickets.draw.criteria import CRITERIA, Subject, adversarial
from rtickets.draw.criteria.base import ScoreFn
from rtickets.draw.settings import DrawConfig
from rtickets.masks import Params
from rtickets.tickets import class_order, provenance
from rtickets.tickets.ticket import Ticket


def make_score_fn(config: DrawConfig, network: Ticket) -> ScoreFn:
    """Return the scores of a criterion that depends on the whole network.

    The network is scored as it is evaluated: normalisation statistics frozen, images as they are
    stored, on one device.

    Args:
        config: the draw; its criterion is not of weights alone.
        network: the network, with the provenance that a stage leaves.

    Returns:
        A function from masked weights and their mask to scores by path.

    Raises:
        InputError: if the network's provenance is missing, or its classes are not those of the
            data.
    """
    model, make = provenance.build_model(network.meta), CRITERIA[config.criterion].make
    assert make is not None  # who asks knows

    def logits_fn(params: Params, x: Array) -> Array:
        return models.logits(model, params, network.batch_stats, x)

    attack = config.attack
    return make(
        Subject(
            model,
            network.batch_stats,
            tuple(network.meta["image_shape"]),
            logits_fn,
            partial(load_batches, config, network.meta),
            None if attack is None else adversarial(logits_fn, **attack.as_pgd()),
            config.prunable,
            config.exclude,
        )
    )


def load_batches(config: DrawConfig, meta: Any) -> list[tuple[Array, Array, Array]]:
    """Return the training examples that a draw scores on.

    Args:
        config: the draw; without data of its own the network's task is taken, with its seed.
        meta: the network's provenance.

    Returns:
        Batches of (float32 images (B, H, W, C) in [0, 1], int32 labels (B,), PRNG keys (B,)).

    Raises:
        InputError: if the task cannot be loaded or its classes are not the network's.
    """
    task_config, seed = (config.data, config.seed) if config.data else provenance.last_task(meta)
    task = data.load(task_config, seed)
    task = class_order.matched(meta, task_config, task)
    transform = provenance.fitting_transform(task_config, meta).left_to_do(task)
    chosen = task.train.take(balanced_order(task.train.labels, config.seed)[: config.examples])
    key = jax.random.key(config.seed)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(chosen)))
    return [
        (
            transform.prepare(jnp.asarray(np.asarray(chosen.images[part]))),
            jnp.asarray(chosen.labels[part]),
            keys[part],
        )
        for first in range(0, len(chosen), config.batch_size)
        for part in [slice(first, first + config.batch_size)]
    ]


def balanced_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a random order in which classes take turns as long as they have examples left.

    Args:
        labels: integers (N,).
        seed: of the order.

    Returns:
        A permutation of range(N).
    """
    order = np.random.default_rng([2, seed]).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels[order] == label)
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn, kind="stable")]
