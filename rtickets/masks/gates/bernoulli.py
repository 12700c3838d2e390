"""Every group lives with a probability that is learnt (Ghosh et al. 2024).

Scores are the log odds l of the probabilities p. A step multiplies groups with a relaxed sample,
sigmoid((l + logistic noise) / temperature), the binary concrete distribution (Maddison et al. 2017)
that is soft and has a gradient. The loss gains `weight` times what pulls the probabilities towards
a sparse prior, a sum over all groups while the data's loss is a mean: it is weight times the number
of groups that says how strong the pull is beside the data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass as settings

from rtickets.errors import InputError
from rtickets.masks.budget import survivors
from rtickets.masks.gates.base import Gate, GateConfig, Layers, Scores
from rtickets.masks.topk import keep_in_rankings, keep_largest
from rtickets.settings.kinds import STRICT

_EPSILON = 1e-8  # of Adam, below which it does not see gradients


@settings(frozen=True, config=STRICT)
class Bernoulli(GateConfig):
    """Groups live with learnt probabilities, pulled towards a sparse prior.

    Attributes:
        weight: of the pull per group; the published 1e-9 is for 3 million groups.
        prior: the probability that groups are pulled to; None is the part that shall remain.
        pull: 'kl', the divergence of the probabilities from the prior, or 'l1', their sum.
        temperature: of the samples; towards 0 they become 0 or 1.
        start: the log odds at the start; 0 is a half.
        read: which groups live in the end: 'top', exactly as many as the sparsity leaves, or
            'rounded', those with a probability above a half.
        floor: with 'top', the least part of every layer that lives.
    """

    name: Literal["bernoulli"] = "bernoulli"
    weight: float = Field(default=1e-9, ge=0)
    prior: float | None = Field(default=None, gt=0, lt=1)
    pull: Literal["kl", "l1"] = "kl"
    temperature: float = Field(default=0.2, gt=0)
    start: float = 0.0
    read: Literal["top", "rounded"] = "top"
    floor: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> "Bernoulli":
        if self.pull == "l1" and self.prior is not None:
            raise ValueError(f"pull='l1' has no prior; leave prior={self.prior} out")
        if self.read == "rounded" and self.floor:
            raise ValueError(f"read='rounded' has no floor; leave floor={self.floor} out")
        return self

    def on(self, layers: Layers) -> Gate:
        """Return the gate.

        Raises:
            InputError: for a floor above what remains.
        """
        if self.floor > 1 - layers.sparsity:
            raise InputError(
                f"floor={self.floor} of every layer is more than what sparsity={layers.sparsity} "
                "leaves; lower one of them"
            )
        return _Learnt(self, layers)


@dataclass(frozen=True)
class _Learnt:
    settings: Bernoulli
    layers: Layers

    @property
    def prior(self) -> float:
        found = self.settings.prior
        return max(1 - self.layers.sparsity, 1e-6) if found is None else found

    def initial(self, weights: Mapping[str, Any], key: Array) -> Scores:
        """Return equal log odds."""
        del weights, key
        sizes = self.layers.sizes()
        return {
            n: jnp.full(size.shape, self.settings.start, jnp.float32) for n, size in sizes.items()
        }

    def gate(self, scores: Mapping[str, Array], key: Array) -> Scores:
        """Return a relaxed sample."""
        total = sum(math.prod(scores[name].shape) for name in self.layers.shapes)
        noise = jax.random.logistic(key, (total,), jnp.float32)  # one draw compiles far faster
        gates, at = {}, 0
        for name in self.layers.shapes:
            odds = scores[name]
            own = noise[at : at + odds.size].reshape(odds.shape)
            gates[name] = jax.nn.sigmoid((odds + own) / self.settings.temperature)
            at += odds.size
        return gates

    def penalty(self, scores: Mapping[str, Array]) -> Array:
        """Return the pull of all groups."""
        each = [self._pull(scores[name]).sum() for name in self.layers.shapes]
        return self.settings.weight * sum(each, start=jnp.zeros(()))

    def ranked(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return the log odds."""
        return {name: scores[name] for name in self.layers.shapes}

    def mask(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return which groups live; of equal ones the first."""
        if self.settings.read == "rounded":
            return {name: score > 0 for name, score in self.ranked(scores).items()}
        values, sparsity = list(self.ranked(scores).values()), self.layers.sparsity
        alone = [[index] for index in range(len(values))]
        if self.layers.scope == "uniform":
            budgets = [survivors(value.size, sparsity) for value in values]
            found = keep_in_rankings(values, [1] * len(values), alone, budgets)
            return dict(zip(self.layers.shapes, found, strict=True))
        if self.settings.floor:
            budgets = [math.ceil(self.settings.floor * value.size) for value in values]
            first = keep_in_rankings(values, [1] * len(values), alone, budgets)
            values = [jnp.where(f, jnp.inf, v) for f, v in zip(first, values, strict=True)]
        sizes = list(self.layers.sizes().values())
        equal = len({int(s) for size in sizes for s in (size.min(), size.max())}) == 1
        total = sum(size.size if equal else int(size.sum()) for size in sizes)
        budget = survivors(total, sparsity)
        found = keep_largest(values, [1] * len(sizes) if equal else sizes, budget)
        return dict(zip(self.layers.shapes, found, strict=True))

    def _pull(self, odds: Array) -> Array:
        lives = jax.nn.sigmoid(odds)
        if self.settings.pull == "l1":
            return lives
        # log p and log (1 - p) by their own functions: no odds are too large for them
        dies = jax.nn.sigmoid(-odds)
        alive = jax.nn.log_sigmoid(odds) - math.log(self.prior)
        return lives * alive + dies * (jax.nn.log_sigmoid(-odds) - math.log1p(-self.prior))


def odds(probability: float) -> float:
    """Return the log odds of a probability."""
    return math.log(probability) - math.log1p(-probability)


def reach(gate: Bernoulli, prior: float, noise: float, steps: int, learning_rate: float) -> float:
    """Return how far the pull alone can move log odds on the way from the start to the prior.

    Adam divides the mean of a gradient by the root of its mean square, to which the pull adds
    little where the data's gradient, whose mean is 0 for most groups, is far larger.

    Args:
        prior: the probability that groups are pulled to.
        noise: root mean square of the data's gradient at the start, of one group.
        steps: of Adam.
        learning_rate: likewise.

    Returns:
        The part of the way, 1 for all of it.
    """
    lives = 1 / (1 + math.exp(-gate.start))
    away = gate.start - odds(prior)
    slope = gate.weight * lives * (1 - lives) * (away if gate.pull == "kl" else 1.0)
    speed = learning_rate * abs(slope) / (math.hypot(slope, noise) + _EPSILON)
    return min(1.0, steps * speed / max(abs(away), 1e-12))


def weight_to_reach(
    gate: Bernoulli, prior: float, noise: float, steps: int, learning_rate: float
) -> float:
    """Return the least weight whose pull alone takes log odds to the prior, by `reach`.

    It is where the speed that Adam gives it is the way divided by the steps. With fewer steps than
    Adam can go the way in at all, it is that of nine tenths of the greatest speed.
    """
    lives = 1 / (1 + math.exp(-gate.start))
    away = abs(gate.start - odds(prior))
    if not away:
        return 0.0
    share = min(away / (steps * learning_rate), 0.9)
    left = 1 / share**2 - 1  # slope / (hypot(slope, noise) + epsilon) = share, solved for slope
    slope = (_EPSILON / share + math.sqrt(_EPSILON**2 + left * noise**2)) / left
    pull = lives * (1 - lives) * (away if gate.pull == "kl" else 1.0)
    return slope / pull
