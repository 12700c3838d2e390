"""The groups with the largest scores live, straight-through (Ramanujan et al. 2020).

The forward pass keeps them; the backward pass treats the gate as if it were the score itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.masks.budget import survivors
from rtickets.masks.gates.base import Gate, GateConfig, Layers, Scores
from rtickets.masks.ordered import modulus
from rtickets.masks.patterns import group_scores
from rtickets.masks.topk import keep_in_rankings, keep_largest
from rtickets.settings.kinds import STRICT


@settings(frozen=True, config=STRICT)
class TopScores(GateConfig):
    """The groups with the largest scores live, exactly as many as the sparsity leaves.

    Attributes:
        ranking: by the 'magnitude' of the score, whose gradient carries its sign, or by the score
            as it is ('plain').
        start: scores begin at the weights' 'magnitude' (their mean over the group), or at random
            ('kaiming'): uniform with He et al.'s bound for a slope of sqrt(5), 1 / sqrt(fan in).
    """

    name: Literal["top"] = "top"
    ranking: Literal["magnitude", "plain"] = "magnitude"
    start: Literal["magnitude", "kaiming"] = "magnitude"

    @property
    def needs_fan_in(self) -> str | None:
        """The random start does."""
        return "start='kaiming'" if self.start == "kaiming" else None

    def on(self, layers: Layers) -> Gate:
        """Return the gate."""
        return _Top(self, layers)


@dataclass(frozen=True)
class _Top:
    settings: TopScores
    layers: Layers

    def initial(self, weights: Mapping[str, Any], key: Array) -> Scores:
        """Return the scores at the start."""
        scores = {}
        for index, (name, kernel) in enumerate(weights.items()):
            groups: Any = group_scores(modulus(name, kernel), self.layers.pattern)
            if self.settings.start == "kaiming":
                bound = max(math.prod(kernel.shape[:-1]), 1) ** -0.5
                own = jax.random.fold_in(key, index)
                groups = jax.random.uniform(own, groups.shape, minval=-bound, maxval=bound)
            scores[name] = jnp.asarray(groups, jnp.float32)
        return scores

    def gate(self, scores: Mapping[str, Array], key: Array) -> Scores:
        """Return 1 where a group lives, else 0, with the gradient of what they are ranked by."""
        del key
        keep, soft = self.mask(jax.lax.stop_gradient(scores)), self.ranked(scores)
        nothing = {name: score - jax.lax.stop_gradient(score) for name, score in soft.items()}
        return {name: keep[name] + nothing[name] for name in keep}

    def penalty(self, scores: Mapping[str, Array]) -> Array:
        """Return 0: the sparsity is exact without."""
        del scores
        return jnp.zeros(())

    def ranked(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return the scores, or their magnitudes."""
        rank = jnp.abs if self.settings.ranking == "magnitude" else jnp.asarray
        return {name: rank(scores[name]) for name in self.layers.shapes}

    def mask(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return which groups have the largest; of equal ones the first."""
        ranked, sparsity = self.ranked(scores), self.layers.sparsity
        values = list(ranked.values())
        if self.layers.scope == "uniform":
            alone = [[index] for index in range(len(values))]
            budgets = [survivors(value.size, sparsity) for value in values]
            found = keep_in_rankings(values, [1] * len(values), alone, budgets)
            return dict(zip(ranked, found, strict=True))
        sizes = list(self.layers.sizes().values())
        equal = len({int(s) for size in sizes for s in (size.min(), size.max())}) == 1
        if equal:
            budget = survivors(sum(size.size for size in sizes), sparsity)
        else:  # room for one group at least
            budget = survivors(sum(int(size.sum()) for size in sizes), sparsity)
            budget = max(budget, *(int(size.max()) for size in sizes))
        found = keep_largest(values, [1] * len(sizes) if equal else sizes, budget)
        return dict(zip(ranked, found, strict=True))
