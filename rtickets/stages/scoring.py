"""Scores of a stored network, as a configuration describes them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models
from rtickets.draw.criteria import CRITERIA, ScoredNetwork
from rtickets.draw.criteria.base import ScoreFn
from rtickets.draw.criteria.losses import task_adversarial
from rtickets.masks import Params
from rtickets.stages.draw_settings import DrawConfig
from rtickets.tasks.base import alone
from rtickets.tasks.search import check_attackable
from rtickets.tickets import provenance
from rtickets.tickets.asked import Question, asked_again
from rtickets.tickets.head import known
from rtickets.tickets.ticket import Ticket


def make_score_fn(config: DrawConfig, network: Ticket) -> ScoreFn:
    """Return the scores of a criterion that depends on the whole network.

    The network is scored as it is evaluated: normalisation statistics frozen, images as they are
    stored, on one device. Of a task that compares views they are the random views of training, and
    where it remembers something, such as keys, that is what a training that begins with the network
    remembers from batch to batch.

    Args:
        config: the draw; its criterion is not of weights alone.
        network: the network, with the provenance that a stage leaves.

    Raises:
        InputError: if the network's provenance is missing, or its head is not for the data.
    """
    model = provenance.build_model(network.meta)
    entry, asks = CRITERIA[config.criterion], None
    if entry.from_data:
        asks = asked_again(network.meta, config.data, config.seed)
    task = asks.task if asks else known(network.meta)[0]

    if config.attack is not None:
        check_attackable(task, "attack", "leave it out")

    def outputs_fn(params: Params, x: Any) -> Any:
        return models.logits(model, params, network.batch_stats, x)

    # An attack on images before they are scored: the criterion then sees what training would.
    attack = config.attack
    assert entry.make is not None  # who asks knows
    return entry.make(
        ScoredNetwork(
            model,
            network.batch_stats,
            provenance.inputs_of(network.meta),
            outputs_fn,
            partial(_load, config, network, model, asks),
            None if attack is None else task_adversarial(task, outputs_fn, **attack.as_pgd()),
            config.prunable,
            config.exclude,
            task,
        )
    )


def _load(
    config: DrawConfig, network: Ticket, model: Any, asks: Question | None
) -> list[tuple[Array, dict[str, Array], Array]]:
    """Return `load_batches` with what the task remembers."""
    batches = load_batches(config, network.meta, asks)
    task = asks.task if asks else known(network.meta)[0]
    if task.memory is None:
        return batches

    def forward(weights: Params, batch_stats: Any, x: Array) -> tuple[Any, Any]:
        return models.logits(model, weights, batch_stats, x), batch_stats

    held, remembered = task.memory.start(network.params, network.batch_stats), []
    for x, rest, keys in batches:
        held, batch = task.memory.recall(held, forward, {**rest, task.input: x}, alone)
        others = {name: each for name, each in batch.items() if name != task.input}
        remembered.append((x, others, keys))
    return remembered


def load_batches(
    config: DrawConfig, meta: Any, asks: Question | None = None
) -> list[tuple[Array, dict[str, Array], Array]]:
    """Return the training examples that a draw scores on.

    Args:
        config: the draw; without data of its own the network's task is taken, with its seed.
        meta: the network's provenance.
        asks: what it is asked; None is what `asked_again` finds.

    Returns:
        Batches of (the first input, such as float32 images (B, H, W, C) in [0, 1], the other arrays
        of the task's batch by name, PRNG keys (B,)).

    Raises:
        InputError: if the data cannot be loaded or the network's head is not for them.
    """
    asks = asks or asked_again(meta, config.data, config.seed)
    task, train = asks.task, asks.dataset.train
    transform = provenance.fitting_transform(asks.config, meta).left_to_do(asks.dataset)
    strata = task.split(train.arrays)
    strata = np.zeros(len(train), np.int32) if strata is None else strata
    chosen = train.take(balanced_order(strata, config.seed)[: config.examples])
    key = jax.random.key(config.seed)
    # A key belongs to its example, so that the size of batches changes no attack.
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(chosen)))
    batches, views = [], getattr(task, "makes_views", False)
    for first in range(0, len(chosen), config.batch_size):
        part = slice(first, first + config.batch_size)
        raw = {name: jnp.asarray(np.asarray(each[part])) for name, each in chosen.arrays.items()}
        own = keys[part]
        seen = task.augment(transform, own, raw) if views else task.prepare(transform, raw)
        batch = dict(seen)
        batches.append((batch.pop(task.input), batch, own))
    return batches


def balanced_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a random order in which classes take turns as long as they have examples left."""
    order = np.random.default_rng([2, seed]).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels[order] == label)
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn, kind="stable")]
