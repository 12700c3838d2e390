"""Scores: how much each weight of a network matters; the smallest die first."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

Criterion = Literal["magnitude", "random"]
Leaves = Mapping[str, np.ndarray]


def magnitude(weights: Leaves) -> dict[str, np.ndarray]:
    """Score every weight by its absolute value (Han et al. 2015).

    Args:
        weights: arrays of any floating dtype by path.

    Returns:
        float32 arrays of the same shapes.
    """
    return {path: np.abs(np.asarray(leaf, np.float32)) for path, leaf in weights.items()}


def random(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Score everything by chance, the control of every criterion.

    Args:
        shapes: shapes of the scores by path.
        seed: of the draw. A leaf's scores depend on the seed and its position among the leaves.

    Returns:
        float32 arrays, uniform in [0, 1).
    """
    return {
        path: np.random.default_rng([seed, index]).random(shape, np.float32)
        for index, (path, shape) in enumerate(shapes.items())
    }
