"""Learning which weights of an untrained network shall live, from one picture alone.

Weights stay as they were drawn. Scores of all weights of the maskable set are trained by Adam on
the loss of the picture that the gated network paints, plus what pulls the probabilities towards a
sparse prior (`rtickets.masks.gates.bernoulli`).
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from rtickets.errors import NonFiniteLossError
from rtickets.masks import Mask
from rtickets.masks.gates import (
    LearnedMask,
    apply_gates,
    gates_of,
    initial_scores,
    mask_of,
    penalty_of,
)
from rtickets.masks.prunable import prunable_leaves
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.restoration.problem import Problem
from rtickets.restoration.pulls import warnings_after, warnings_before, weighed
from rtickets.restoration.resuming import Keeper, keeping
from rtickets.settings import config_files
from rtickets.tasks.restoration import NOISE, SEEN, Restoration

_LOOK = 100  # steps between looks at the loss


class Learnt(NamedTuple):
    """A mask that was learnt.

    Attributes:
        mask: of the network's parameters.
        scores: the log odds of all maskable weights, see `initial_scores`.
        pull: the weight of the pull times the number of maskable weights.
        mean_probability: over these, in the end.
        losses: mean squared error and pull, of every hundredth step.
        masked: what the masked, untrained network paints (H, W, C).
        masked_loss: its mean squared error to what was observed.
        warnings: what should be known of it, in lines.
    """

    mask: Mask
    scores: Mapping[str, np.ndarray]
    pull: float
    mean_probability: float
    losses: tuple[tuple[float, float], ...]
    masked: np.ndarray
    masked_loss: float
    warnings: tuple[str, ...]


def learn_mask(
    painter: Painter,
    problem: Problem,
    sparsity: float,
    config: MaskConfig,
    seed: int = 0,
    watch: Callable[[int, float], None] | None = None,
    folder: Path | None = None,
) -> Learnt:
    """Learn a mask over the weights of a network as they are.

    Args:
        sparsity: the removed part of the maskable weights.
        watch: is shown the number of every hundredth step and its loss.
        folder: see `fit`.

    Raises:
        NonFiniteLossError: if a loss is not finite.
        Preempted: if the process was asked to stop.
    """
    # The weight is data: with a weight of 1 no other one compiles.
    unit = config_files.replace(config.gate, weight=1.0)
    settings = LearnedMask(sparsity, scope="global", gate=unit, prunable=config.prunable)
    step, show = _programs(painter.model, problem.task, settings)
    batch, key = problem.painted_from(painter.noise), jax.random.key(seed)
    scores = initial_scores(settings, painter.params, key)
    first = scores, optax.scale_by_adam().init(scores)
    noise = float(step(painter.params, *first, batch, key, 0.0, 0.0)[2].noise)
    size = sum(leaf.size for leaf in prunable_leaves(painter.params, config.prunable).values())
    gate = weighed(config, sparsity, noise, size)

    def train(number: int, state: Any) -> tuple[Any, _Seen]:
        own = jax.random.fold_in(key, number)
        *after, seen = step(painter.params, *state, batch, own, config.learning_rate, gate.weight)
        return tuple(after), seen

    with keeping(folder, config.checkpoint_every, config.steps) as keeper:
        (scores, _), losses = _trained(train, first, config.steps, keeper, watch)
    mask, masked, masked_loss = show(painter.params, scores, batch)
    mean = _mean_probability(scores)
    warnings = (
        *warnings_before(gate, config, sparsity, noise),
        *warnings_after(gate, config, sparsity, mean),
    )
    return Learnt(
        jax.device_get(mask), jax.device_get(scores), gate.weight * size, mean, losses,
        np.asarray(masked[0]), float(masked_loss), warnings,
    )  # fmt: skip


def _trained(
    train: Callable[[int, Any], tuple[Any, "_Seen"]],
    first: Any,
    steps: int,
    keeper: Keeper,
    watch: Callable[[int, float], None] | None,
) -> tuple[Any, tuple[tuple[float, float], ...]]:
    """Return the state after all steps, and the losses that were looked at."""
    state, begin = first, 0
    losses: list[tuple[float, float]] = []
    if (kept := keeper.restored(first)) is not None:
        state, begin, losses = kept[0], kept[1]["step"], list(map(tuple, kept[1]["losses"]))
    for number in range(begin, steps):
        state, seen = train(number, state)
        if number % _LOOK == 0 or number == steps - 1:
            losses.append(_finite(seen, number))
            if watch is not None:
                watch(number, losses[-1][0])
            done = number == steps - 1
            keeper.pause(number + 1, state, {"losses": losses}, done=done)
    return state, tuple(losses)


def _finite(found: "_Seen", number: int) -> tuple[float, float]:
    loss, pull = float(found.loss), float(found.pull)
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"the loss of step {number} is not finite")
    return loss, pull


def _mean_probability(scores: Any) -> float:
    flat = np.concatenate([np.asarray(leaf, np.float64).reshape(-1) for leaf in scores.values()])
    return float((1 / (1 + np.exp(-np.clip(flat, -500, 500)))).mean())


class _Seen(NamedTuple):
    """What a step saw: the data's loss, the pull, the root mean square of the data's gradient."""

    loss: Array
    pull: Array
    noise: Array


@lru_cache(maxsize=8)
def _programs(model: Any, task: Restoration, settings: LearnedMask) -> tuple[Any, Any]:
    adam = optax.scale_by_adam()

    def loss(scores: Any, params: Any, batch: Any, key: Array) -> Array:
        gates = gates_of(settings, params, scores, key)
        gated = apply_gates(settings, params, gates)
        picture = paint(model, gated, batch[NOISE], batch[SEEN].shape[1:3])
        return task.loss(picture, batch).mean()

    def step(
        params: Any, scores: Any, memory: Any, batch: Any, key: Array, rate: Any, weight: Any
    ) -> tuple[Any, Any, _Seen]:
        value, slope = jax.value_and_grad(loss)(scores, params, batch, key)
        pull, towards = jax.value_and_grad(lambda s: weight * penalty_of(settings, params, s))(
            scores
        )
        squares = [jnp.square(leaf).sum() for leaf in slope.values()]
        size = sum(leaf.size for leaf in slope.values())
        noise = jnp.sqrt(sum(squares, start=jnp.zeros(())) / size)
        both = jax.tree.map(jnp.add, slope, towards)
        updates, memory = adam.update(both, memory)
        scores = jax.tree.map(lambda leaf, update: leaf - rate * update, scores, updates)
        return scores, memory, _Seen(value, pull, noise)

    def show_mask(params: Any, scores: Any, batch: Any) -> tuple[Any, Array, Array]:
        mask = mask_of(settings, params, scores)
        masked = jax.tree.map(lambda leaf, keep: leaf * keep, params, mask)
        picture = paint(model, masked, batch[NOISE], batch[SEEN].shape[1:3])
        return mask, picture, task.loss(picture, batch).mean()

    return jax.jit(step), jax.jit(show_mask)
