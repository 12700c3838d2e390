"""Learning which weights of an untrained network shall live, from one picture alone.

Weights stay as they were drawn. Scores of all weights of the maskable set are trained by Adam on
the loss of the picture that the gated network paints, plus what pulls the probabilities towards a
sparse prior (`rtickets.masks.gates.bernoulli`).
"""

import math
from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.errors import NonFiniteLossError
from rtickets.masks import DEFAULT_PRUNABLE, Mask
from rtickets.masks.gates import (
    Bernoulli,
    LearnedMask,
    apply_gates,
    gates_of,
    initial_scores,
    mask_of,
    penalty_of,
)
from rtickets.masks.gates.bernoulli import odds, reach
from rtickets.masks.prunable import prunable_leaves
from rtickets.restoration.fitting import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.problem import Problem
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Fraction, Positive
from rtickets.tasks.restoration import NOISE, SEEN, Restoration

Maskable = Literal["kernels", "all"]
_PRUNABLE = {"kernels": DEFAULT_PRUNABLE, "all": ".*"}
_FAR_ENOUGH = 0.8  # of the way to the prior, in the end
_SOMEWHERE = 0.1  # of that way, as estimated before: data's gradients shrink on it


@dataclass(frozen=True, config=STRICT)
class MaskConfig:
    """How a mask is learnt.

    Attributes:
        sparsity: the removed part of the maskable weights.
        maskable: 'kernels' are those of all convolutions but the last; 'all' are all parameters, as
            published, where a removed scale of a normalisation removes its channel.
        gate: see `Bernoulli`.
        pull: stands for the gate's `weight`, which is this divided by the number of maskable
            weights; None to take the gate's own.
        steps: of Adam.
        learning_rate: likewise.
    """

    sparsity: Fraction = 0.95
    maskable: Maskable = "kernels"
    gate: Bernoulli = field(default_factory=Bernoulli)
    pull: float | None = Field(default=3e-2, ge=0)
    steps: Positive = 2000
    learning_rate: float = Field(default=0.1, gt=0)

    @property
    def prunable(self) -> str:
        """The expression of the maskable leaves."""
        return _PRUNABLE[self.maskable]


class Learnt(NamedTuple):
    """A mask that was learnt.

    Attributes:
        mask: of the network's parameters.
        pull: the weight of the pull times the number of maskable weights.
        mean_probability: over these, in the end.
        losses: mean squared error and pull, of every hundredth step.
        masked_loss: mean squared error to what was observed, of the masked, untrained network.
        warnings: what should be known of it, in lines.
    """

    mask: Mask
    pull: float
    mean_probability: float
    losses: tuple[tuple[float, float], ...]
    masked_loss: float
    warnings: tuple[str, ...]


def learn_mask(
    painter: Painter,
    problem: Problem,
    config: MaskConfig,
    seed: int = 0,
    watch: Callable[[int, float], None] | None = None,
) -> Learnt:
    """Learn a mask over the weights of a network as they are.

    Args:
        watch: is shown the number of every hundredth step and its loss.

    Raises:
        NonFiniteLossError: if a loss is not finite.
    """
    batch = problem.painted_from(painter.noise)
    maskable = prunable_leaves(painter.params, config.prunable)
    number = sum(leaf.size for leaf in maskable.values())
    gate = config.gate
    if config.pull is not None:
        gate = config_files.replace(gate, weight=config.pull / number)
    settings = LearnedMask(config.sparsity, scope="global", gate=gate, prunable=config.prunable)
    key = jax.random.key(seed)
    scores = initial_scores(settings, painter.params, key)
    step, loss_of_mask = _programs(painter.model, problem.task, settings)
    warnings, memory = list[str](), optax.scale_by_adam().init(scores)
    losses: list[tuple[float, float]] = []
    for number_of_step in range(config.steps):
        own = jax.random.fold_in(key, number_of_step)
        scores, memory, found = step(
            painter.params, scores, memory, batch, own, config.learning_rate
        )
        if number_of_step % 100 == 0 or number_of_step == config.steps - 1:
            loss, penalty, noise = map(float, found)
            if number_of_step == 0:
                warnings += _before(gate, config, noise)
            if not math.isfinite(loss):
                raise NonFiniteLossError(f"the loss of step {number_of_step} is not finite")
            losses.append((loss, penalty))
            if watch is not None:
                watch(number_of_step, loss)
    mask, masked_loss = loss_of_mask(painter.params, scores, batch)
    flat = np.concatenate([np.asarray(leaf).reshape(-1) for leaf in scores.values()])
    mean = float((1 / (1 + np.exp(-np.clip(flat.astype(np.float64), -500, 500)))).mean())
    warnings += _after(gate, config, mean)
    return Learnt(
        jax.device_get(mask), gate.weight * number, mean, tuple(losses), float(masked_loss),
        tuple(warnings),
    )  # fmt: skip


def prior_of(gate: Bernoulli, sparsity: float) -> float:
    """Return the probability that groups are pulled to; 'l1' has none, and none is far away."""
    if gate.pull == "l1":
        return 1e-6
    return 1 - sparsity if gate.prior is None else gate.prior


def _before(gate: Bernoulli, config: MaskConfig, noise: float) -> list[str]:
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, config.sparsity)
    part = reach(gate, prior, noise, config.steps, config.learning_rate)
    if part >= _SOMEWHERE:
        return []
    return [
        f"the prior {prior:g} can hardly act: in {config.steps} steps at a learning rate of "
        f"{config.learning_rate:g} a weight of {gate.weight:.3g} per group moves log odds about "
        f"{part:.0%} of the way from {gate.start:g} to {odds(prior):.2f}; raise pull, the learning "
        "rate or the number of steps"
    ]


def _after(gate: Bernoulli, config: MaskConfig, mean: float) -> list[str]:
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, config.sparsity)
    start = 1 / (1 + math.exp(-gate.start))
    if abs(mean - prior) <= (1 - _FAR_ENOUGH) * abs(start - prior):
        return []
    return [
        f"the prior {prior:g} was not reached: probabilities are {mean:.3g} in the mean after "
        f"{config.steps} steps, from {start:g}; raise pull or the number of steps"
    ]


@lru_cache(maxsize=8)
def _programs(model: Any, task: Restoration, settings: LearnedMask) -> tuple[Any, Any]:
    adam = optax.scale_by_adam()

    def loss(scores: Any, params: Any, batch: Any, key: Array) -> Array:
        gates = gates_of(settings, params, scores, key)
        gated = apply_gates(settings, params, gates)
        picture = paint(model, gated, batch[NOISE], batch[SEEN].shape[1:3])
        return task.loss(picture, batch).mean()

    def step(
        params: Any, scores: Any, memory: Any, batch: Any, key: Array, rate: Any
    ) -> tuple[Any, Any, tuple[Array, Array, Array]]:
        value, slope = jax.value_and_grad(loss)(scores, params, batch, key)
        pull, towards = jax.value_and_grad(lambda s: penalty_of(settings, params, s))(scores)
        squares = [jnp.square(leaf).sum() for leaf in slope.values()]
        size = sum(leaf.size for leaf in slope.values())
        noise = jnp.sqrt(sum(squares, start=jnp.zeros(())) / size)
        both = jax.tree.map(jnp.add, slope, towards)
        updates, memory = adam.update(both, memory)
        scores = jax.tree.map(lambda leaf, update: leaf - rate * update, scores, updates)
        return scores, memory, (value, pull, noise)

    def loss_of_mask(params: Any, scores: Any, batch: Any) -> tuple[Any, Array]:
        mask = mask_of(settings, params, scores)
        masked = jax.tree.map(lambda leaf, keep: leaf * keep, params, mask)
        picture = paint(model, masked, batch[NOISE], batch[SEEN].shape[1:3])
        return mask, task.loss(picture, batch).mean()

    return jax.jit(step), jax.jit(loss_of_mask)
