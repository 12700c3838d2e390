"""Scores that need the weights alone."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from rtickets.draw.criteria.base import CriterionEntry
from rtickets.masks.ordered import modulus

Criterion = Literal["magnitude", "random"]
Leaves = Mapping[str, np.ndarray]
Scores = dict[str, np.ndarray]


def magnitude(weights: Leaves) -> Scores:
    """Score every weight by its absolute value (Han et al. 2015)."""
    return {path: modulus(path, leaf) for path, leaf in weights.items()}


def random(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Scores:
    """Score everything by chance, the control of every criterion: float32, uniform in [0, 1).

    A leaf's scores depend on the seed and its position among the leaves.
    """
    return {
        path: np.random.default_rng([seed, index]).random(shape, np.float32)
        for index, (path, shape) in enumerate(shapes.items())
    }


MAGNITUDE = CriterionEntry()
RANDOM = CriterionEntry(seeded=True)
