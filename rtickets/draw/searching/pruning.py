"""Pruning the weights of living channels, all layers together, by magnitude."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.masks.topk import keep_largest


def pruned(params: Params, channels: Mask, sparsity: float, floor: float = 0.0) -> Mask:
    """Return the mask of the largest weights of living channels; of equal ones the first live.

    All of them compete, also those that are masked now: their values are kept.

    Args:
        params: weights, masked ones among them.
        channels: the mask of living channels, scalars where nothing is prunable.
        sparsity: of their weights; floor(sparsity n) of n go.
        floor: the part of every layer's that lives in any case.
    """
    leaves = masks.leaf_paths(params)
    open_to = {path: np.asarray(keep) for path, keep in masks.leaf_paths(channels).items()}
    own = {path: keep for path, keep in open_to.items() if keep.ndim}
    total = sum(int(keep.sum()) for keep in own.values())
    budget = total - math.floor(round(sparsity * total, 6))
    scores = [_scores(np.asarray(leaves[path]), keep, floor) for path, keep in own.items()]
    kept = keep_largest([jnp.asarray(each) for each in scores], [1] * len(scores), budget)
    found: dict[str, Any] = dict(zip(own, (np.asarray(each) for each in kept), strict=True))
    order = [found.get(path, keep) for path, keep in open_to.items()]
    return jax.tree.unflatten(jax.tree.structure(channels), order)


def _scores(weights: np.ndarray, keep: np.ndarray, floor: float) -> np.ndarray:
    """Return magnitudes: -1 of weights of dead channels, infinite of those that stay anyway."""
    scores = np.where(keep, np.abs(weights), -1).astype(np.float32)
    least = math.ceil(round(floor * int(keep.sum()), 6))
    if least:
        largest = np.argsort(-scores, axis=None, kind="stable")[:least]
        scores.reshape(-1)[largest] = np.inf
    return scores


def empty_layers(mask: Mask, channels: Mask) -> list[str]:
    """Return the layers with living channels of which no weight lives."""
    kept, open_to = masks.leaf_paths(mask), masks.leaf_paths(channels)
    return [
        path
        for path, keep in kept.items()
        if np.ndim(keep) and not np.any(keep) and np.any(open_to[path])
    ]
