"""One-shot magnitude pruning: a ticket from the pretrained weights alone.

Thresholds are found on the host. Selection by `np.partition` is linear, exact and the same on every
machine, and it runs once per ticket, so there is nothing to gain from doing it on the device.
"""

from typing import Literal, get_args

import jax
import numpy as np

from rtickets import criteria, masks
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params

Pattern = Literal["element"]
Scope = Literal["global", "uniform"]
Criterion = Literal["magnitude"]


def draw_omp(
    params: Params,
    sparsity: float,
    pattern: Pattern = "element",
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Mask:
    """Draw a mask in one shot: the weights with the smallest scores die.

    Args:
        params: pytree of weights.
        sparsity: fraction of the prunable weights to remove, in [0, 1).
        pattern: what lives or dies together; 'element' is the single weight.
        scope: 'global' ranks all prunable weights together, 'uniform' gives every leaf the same
            sparsity.
        criterion: the score; 'magnitude' is the absolute value.
        prunable: regular expression that the path of a prunable leaf must match.
        exclude: regular expression of leaves to leave alone, for instance the stem.

    Returns:
        A mask of the structure of `params` with exactly `survivors(n, sparsity)` True entries, over
        all prunable weights (global) or in each leaf (uniform); ties go to the lower index.

    Raises:
        InputError: for a sparsity outside [0, 1), an unknown option, weights that are not finite,
            or an expression that matches nothing.
    """
    _check_option("pattern", pattern, get_args(Pattern))
    _check_option("scope", scope, get_args(Scope))
    _check_option("criterion", criterion, get_args(Criterion))
    chosen = masks.leaf_paths(masks.select(params, prunable, exclude))
    scores = {
        path: score
        for path, score in masks.leaf_paths(criteria.magnitude(params)).items()
        if chosen[path]
    }
    for path, score in scores.items():
        if not np.isfinite(score).all():
            raise InputError(f"the scores of {path} are not finite; the weights are broken")
    keep = _keep_global(scores, sparsity) if scope == "global" else _keep_uniform(scores, sparsity)
    leaves = [keep.get(path, np.ones((), bool)) for path in chosen]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def survivors(total: int, sparsity: float) -> int:
    """Return how many of `total` weights a ticket keeps.

    Args:
        total: number of prunable weights.
        sparsity: removed fraction, in [0, 1).

    Returns:
        `total - round(total * sparsity)`, as a Python integer and at least 1 when `total` is.

    Raises:
        InputError: for a sparsity outside [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise InputError(
            f"sparsity={sparsity} is outside [0, 1); it is the removed fraction, so 0.9 keeps 10%"
        )
    return max(total - round(total * sparsity), min(total, 1))


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Mark the k largest of a flat array of scores, ties going to the lower index.

    Args:
        scores: float array (n,).
        k: how many to mark, in [0, n].

    Returns:
        A boolean array (n,) with exactly k True entries.
    """
    if k <= 0 or k >= scores.size:
        return np.full(scores.shape, k > 0)
    threshold = np.partition(scores, scores.size - k)[scores.size - k]
    keep = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    keep[ties[: k - int(keep.sum())]] = True
    return keep


def _check_option(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{field}={value!r} is unknown; choose one of {', '.join(known)}")


def _keep_global(scores: dict[str, np.ndarray], sparsity: float) -> dict[str, np.ndarray]:
    flat = np.concatenate([score.ravel() for score in scores.values()])
    keep = top_k(flat, survivors(flat.size, sparsity))
    ends = np.cumsum([score.size for score in scores.values()])[:-1]
    return {
        path: part.reshape(scores[path].shape)
        for path, part in zip(scores, np.split(keep, ends), strict=True)
    }


def _keep_uniform(scores: dict[str, np.ndarray], sparsity: float) -> dict[str, np.ndarray]:
    return {
        path: top_k(score.ravel(), survivors(score.size, sparsity)).reshape(score.shape)
        for path, score in scores.items()
    }
