"""Learning which weights of an untrained network shall live, from one picture alone.

Weights stay as they were drawn. Scores of all weights of the maskable set are trained by Adam on
the loss of the picture that the gated network paints, plus what pulls the probabilities towards a
sparse prior (`rtickets.masks.gates.bernoulli`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field, model_validator
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
from rtickets.masks.gates.bernoulli import odds, reach, weight_to_reach
from rtickets.masks.prunable import prunable_leaves
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.problem import Problem
from rtickets.restoration.resuming import keeping
from rtickets.settings import config_files
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks.restoration import NOISE, SEEN, Restoration

Maskable = Literal["kernels", "all"]
PRUNABLE = {"kernels": DEFAULT_PRUNABLE, "all": ".*"}
_FAR_ENOUGH = 0.5  # of the way to the prior, in the end, of probabilities
_SOMEWHERE = 0.1  # of that way, as estimated before: data's gradients shrink on it
_HALF = 0.5  # of the way, by that estimate: the weight that 'auto' takes
_LOOK = 100  # steps between looks at the loss


@dataclass(frozen=True, config=STRICT)
class MaskConfig:
    """How a mask is learnt.

    Attributes:
        maskable: 'kernels' are those of all convolutions but the last; 'all' are all parameters, as
            published, where a removed scale of a normalisation removes its channel.
        gate: see `Bernoulli`.
        pull: stands for the gate's `weight`, which is this divided by the number of maskable
            weights; None to take the gate's own. 'auto' moves log odds half of the way to the prior
            within the steps, beside the data's gradient at the start: stronger pulls left worse
            masks on small pictures.
        steps: of Adam.
        learning_rate: likewise.
        checkpoint_every: see `FitConfig`.
    """

    maskable: Maskable = "kernels"
    gate: Bernoulli = field(default_factory=Bernoulli)
    pull: Annotated[float, Field(ge=0)] | Literal["auto"] | None = "auto"
    steps: Positive = 2000
    learning_rate: float = Field(default=0.1, gt=0)
    checkpoint_every: Positive = 5000

    @model_validator(mode="after")
    def _check(self) -> "MaskConfig":
        if self.pull is not None and self.gate.weight != Bernoulli().weight:
            raise ValueError(
                f"gate.weight={self.gate.weight} does not count beside pull={self.pull}; set pull "
                "to None to take it"
            )
        return self

    @property
    def prunable(self) -> str:
        """The expression of the maskable leaves."""
        return PRUNABLE[self.maskable]


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
    losses: list[tuple[float, float]] = []
    with keeping(folder, config.checkpoint_every, config.steps) as keeper:
        state, done = first, 0
        if (kept := keeper.restored(first)) is not None:
            state, done, losses = kept[0], kept[1]["step"], list(map(tuple, kept[1]["losses"]))
        for number in range(done, config.steps):
            own = jax.random.fold_in(key, number)
            *state, found = step(
                painter.params, *state, batch, own, config.learning_rate, gate.weight
            )
            if number % _LOOK == 0 or number == config.steps - 1:
                losses.append(_finite(found, number))
                if watch is not None:
                    watch(number, losses[-1][0])
                keeper.pause(number + 1, tuple(state), {"losses": losses})
    mask, masked, masked_loss = show(painter.params, state[0], batch)
    mean = _mean_probability(state[0])
    warnings = [*_before(gate, config, sparsity, noise), *_after(gate, config, sparsity, mean)]
    return Learnt(
        jax.device_get(mask), jax.device_get(state[0]), gate.weight * size, mean, tuple(losses),
        np.asarray(masked[0]), float(masked_loss), tuple(warnings),
    )  # fmt: skip


def weighed(config: MaskConfig, sparsity: float, noise: float, size: int) -> Bernoulli:
    """Return the gate with the weight that `MaskConfig.pull` stands for.

    Args:
        noise: see `reach`.
        size: number of maskable weights.
    """
    gate, pull = config.gate, config.pull
    if pull is None:
        return gate
    if pull != "auto":
        return config_files.replace(gate, weight=pull / size)
    prior = prior_of(gate, sparsity)
    least = weight_to_reach(gate, prior, noise, config.steps, config.learning_rate)
    return config_files.replace(gate, weight=_HALF * least)


def _finite(found: "_Seen", number: int) -> tuple[float, float]:
    loss, pull = float(found.loss), float(found.pull)
    if not math.isfinite(loss):
        raise NonFiniteLossError(f"the loss of step {number} is not finite")
    return loss, pull


def _mean_probability(scores: Any) -> float:
    flat = np.concatenate([np.asarray(leaf, np.float64).reshape(-1) for leaf in scores.values()])
    return float((1 / (1 + np.exp(-np.clip(flat, -500, 500)))).mean())


def prior_of(gate: Bernoulli, sparsity: float) -> float:
    """Return the probability that groups are pulled to; 'l1' has none, and none is far away."""
    if gate.pull == "l1":
        return 1e-6
    return 1 - sparsity if gate.prior is None else gate.prior


def _before(gate: Bernoulli, config: MaskConfig, sparsity: float, noise: float) -> list[str]:
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, sparsity)
    part = reach(gate, prior, noise, config.steps, config.learning_rate)
    if part >= _SOMEWHERE:
        return []
    return [
        f"the prior {prior:g} can hardly act: in {config.steps} steps at a learning rate of "
        f"{config.learning_rate:g} a weight of {gate.weight:.3g} per group moves log odds about "
        f"{part:.0%} of the way from {gate.start:g} to {odds(prior):.2f}; raise pull, the learning "
        "rate or the number of steps"
    ]


def _after(gate: Bernoulli, config: MaskConfig, sparsity: float, mean: float) -> list[str]:
    if gate.pull == "l1" or not gate.weight:
        return []
    prior = prior_of(gate, sparsity)
    start = 1 / (1 + math.exp(-gate.start))
    if abs(mean - prior) <= (1 - _FAR_ENOUGH) * abs(start - prior):
        return []
    return [
        f"the prior {prior:g} was not reached: probabilities are {mean:.3g} in the mean after "
        f"{config.steps} steps, from {start:g}; raise pull or the number of steps"
    ]


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
