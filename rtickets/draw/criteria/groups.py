"""From scores of weights to scores of what lives or dies together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rtickets.draw.criteria.weights import Scores, random
from rtickets.errors import InputError
from rtickets.masks import leaf_paths
from rtickets.masks.ordered import known, real
from rtickets.masks.patterns import GroupNorm, Pattern, group_scores, group_sizes


def check_scores(scores: Any, weights: Mapping[str, Any]) -> Scores:
    """Return the scores of the prunable weights by path, real numbers of any kind, in their order.

    Args:
        scores: arrays by path, or a pytree with these paths; other leaves are not read.

    Raises:
        InputError: if a leaf has none, or of another shape, or no real numbers.
    """
    given = leaf_paths(scores)
    for path, weight in weights.items():
        if path not in given:
            raise InputError(
                f"scores lack {path}, which is prunable; score and draw with the same prunable and "
                "exclude"
            )
        if np.shape(given[path]) != np.shape(weight):
            raise InputError(
                f"scores of {path} have shape {np.shape(given[path])}; expected that of its "
                f"weights, {np.shape(weight)}"
            )
    found = {path: known(f"the score of {path}", given[path]) for path in weights}
    for path, score in found.items():
        real(f"the score of {path}", np.empty(0, score.dtype))  # which refuses what has no order
    return found


def check_finite(scores: Scores) -> None:
    """Refuse scores that cannot be ranked, naming the first layer with any and their number."""
    for path, score in scores.items():
        broken = int((~np.isfinite(score)).sum())
        if broken:
            raise InputError(not_finite(path, broken, score.size))


def not_finite(path: str, broken: int, size: int) -> str:
    """Say that some scores of a layer cannot be ranked."""
    return (
        f"{broken:,} of {size:,} scores of {path} are not finite; the weights, or what they were "
        "scored on, are broken"
    )


def of_groups(scores: Scores, pattern: Pattern, norm: GroupNorm) -> Scores:
    """Return one score per group; a mean keeps the signs of scores that have them.

    Args:
        scores: scores of weights by path, 0 where dead.
        norm: see `rtickets.masks.patterns.group_scores`.

    Returns:
        float arrays in the shape of `group_scores`; for n:m the scores themselves.

    Raises:
        InputError: for scores that are not finite, or negative ones with 'l2'.
    """
    check_finite(scores)
    for path, score in scores.items():
        if norm == "l2" and (score < 0).any():
            raise InputError(
                f"group_norm='l2' squares scores, and some of {path} are negative; choose 'l1'"
            )
    if pattern.name == "n:m":
        return scores
    return {path: group_scores(score, pattern, norm) for path, score in scores.items()}


def random_groups(shapes: Mapping[str, tuple[int, ...]], pattern: Pattern, seed: int) -> Scores:
    """Return one random number a group: means of many would rank small groups first and last."""
    whole = pattern.name == "n:m"
    grouped = {
        path: shape if whole else group_sizes(shape, pattern).shape
        for path, shape in shapes.items()
    }
    return random(grouped, seed)
