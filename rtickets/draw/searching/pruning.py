"""Pruning the weights of living channels, all layers together, by magnitude."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rtickets import masks
from rtickets.draw.floors import held, least_of
from rtickets.masks import Mask, Params
from rtickets.masks.topk import top_k


def pruned(params: Params, channels: Mask, sparsity: float, floor: float = 0.0) -> Mask:
    """Return the mask of the largest weights of living channels; of equal ones the first live.

    All of them compete, also those that are masked now: their values are kept.

    Args:
        params: weights, masked ones among them.
        channels: the mask of living channels, scalars where nothing is prunable.
        sparsity: of their weights; floor(sparsity n) of n go.
        floor: the part of every layer's that lives in any case, see `least_weights`.
    """
    open_to = {path: np.asarray(keep) for path, keep in masks.leaf_paths(channels).items()}
    own = {path: keep for path, keep in open_to.items() if keep.ndim}
    leaves = masks.leaf_paths(params)
    # -1 is below every magnitude, and as much as lives is never more than what may
    scores = {p: np.where(k, np.abs(leaves[p]), -1).astype(np.float32) for p, k in own.items()}
    budget, least, _ = least_weights(channels, sparsity, floor)

    def among(paths: Sequence[str], left: int) -> dict[str, np.ndarray]:
        if not paths:
            return {}
        kept = top_k(np.concatenate([scores[path].ravel() for path in paths]), left)
        ends = np.cumsum([scores[path].size for path in paths])[:-1]
        return dict(zip(paths, np.split(kept, ends), strict=True))

    def count(paths: Sequence[str], left: int) -> dict[str, int]:
        return {path: int(keep.sum()) for path, keep in among(paths, left).items()}

    short = held(least, least, budget, count)
    found: dict[str, Any] = {path: top_k(scores[path].ravel(), least[path]) for path in short}
    free = [path for path in own if path not in short]
    found |= among(free, budget - sum(least[path] for path in short))
    order = [
        found[path].reshape(keep.shape) & keep if keep.ndim else keep
        for path, keep in open_to.items()
    ]
    return jax.tree.unflatten(jax.tree.structure(channels), order)


def least_weights(
    channels: Mask, sparsity: float, floor: float
) -> tuple[int, dict[str, int], bool]:
    """Return how many weights live, how many of every layer do in any case, whether all fit.

    A layer's part is rounded up, as in `rtickets draw`. Where that is more than lives, as all
    layers are close to their floor, it is rounded down, which always fits.

    Args:
        channels: as of `pruned`.
        sparsity: of their weights.
        floor: the part of every layer's; at most 1 - sparsity.
    """
    living = {path: int(keep.sum()) for path, keep in masks.prunable_leaves(channels).items()}
    total = sum(living.values())
    budget = total - math.floor(round(sparsity * total, 6))
    least = least_of(living, floor)
    if sum(least.values()) <= budget:
        return budget, least, True
    return budget, {p: math.floor(round(floor * n, 6)) for p, n in living.items()}, False


def empty_layers(mask: Mask, channels: Mask) -> list[str]:
    """Return the layers with living channels of which no weight lives."""
    kept, open_to = masks.leaf_paths(mask), masks.leaf_paths(channels)
    return [
        path
        for path, keep in kept.items()
        if np.ndim(keep) and not np.any(keep) and np.any(open_to[path])
    ]
