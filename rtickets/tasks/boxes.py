"""Boxes: how far they overlap, and which of many that see the same object are kept.

What a box is stands in `rtickets.data.images.moved_boxes`.
"""

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.images.moved_boxes import area

_TINY = 1e-9  # keeps quotients of empty boxes finite


def iou(one: Array, other: Array) -> Array:
    """Return the intersection over union of boxes (..., 4), pair by pair, in [0, 1]."""
    both = _intersection(one, other)
    return both / jnp.maximum(_area(one) + _area(other) - both, _TINY)


def giou(one: Array, other: Array) -> Array:
    """Return the generalised IoU (Rezatofighi et al. 2019), in [-1, 1].

    It is the IoU less the part of the smallest box around both that neither fills, so that it tells
    boxes apart which do not overlap.
    """
    both = _intersection(one, other)
    union = _area(one) + _area(other) - both
    around = jnp.concatenate(
        [jnp.minimum(one[..., :2], other[..., :2]), jnp.maximum(one[..., 2:], other[..., 2:])], -1
    )
    whole = jnp.maximum(_area(around), _TINY)
    return both / jnp.maximum(union, _TINY) - (whole - union) / whole


def _intersection(one: Array, other: Array) -> Array:
    low = jnp.maximum(one[..., :2], other[..., :2])
    high = jnp.minimum(one[..., 2:], other[..., 2:])
    return _area(jnp.concatenate([low, high], -1))


def suppress(boxes: Array, scores: Array, labels: Array, threshold: float) -> Array:
    """Return the scores, those of suppressed boxes -inf: greedy non-maximum suppression by class.

    Args:
        boxes: (N, 4).
        scores: float (N,); -inf where there is no box. Ties go to the earlier one.
        labels: integers (N,); boxes of different classes leave each other alone.
        threshold: IoU from which on the one with the lower score goes.

    Returns:
        float (N,).
    """
    order = jnp.argsort(-scores, stable=True)
    ranked, named = boxes[order], labels[order]
    overlap = iou(ranked[:, None], ranked[None]) > threshold
    rivals = overlap & (named[:, None] == named[None])
    count = len(scores)

    def keep(index: Array, kept: Array) -> Array:
        # A box goes if one before it is kept and overlaps it; those before it are decided already.
        before = (jnp.arange(count) < index) & kept & rivals[index]
        return kept.at[index].set(kept[index] & ~before.any())

    kept = jax.lax.fori_loop(0, count, keep, jnp.isfinite(scores[order]))
    return scores.at[order].set(jnp.where(kept, scores[order], -jnp.inf))


def _area(boxes: Array) -> Array:
    return jnp.asarray(area(jnp, boxes))
