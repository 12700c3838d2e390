"""Intersection over union and its like, from counts that add up over images.

Every image is one observation: pixels of one image are alike, so that intervals are over images.
A mean of ratios of sums has no exact interval; what is given is the delta method's, from second
moments of what each image counts, which add up over batches, devices and hosts like the counts.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtri

from rtickets.errors import NothingCountedError
from rtickets.tasks.base import Measured, Sums
from rtickets.tasks.units import SHARE

COUNTS, SHARES, MOMENTS, IMAGES = "confusion", "shares", "moments", "images"


def confusion_sums(predicted: Array, true: Array, classes: int, ignored: int) -> Sums:
    """Count pixels by their class and the one that is predicted.

    Classes are integers (B, H, W) in 0 ... classes - 1; true ones may be `ignored`, which do not
    count.

    Returns:
        `confusion`, int32 (classes, classes), whose rows are true classes. For intervals `shares`,
        float32 (3 classes,), what each image counts of each class (right, in the union, there) in
        shares of its pixels, added up over images; `moments`, the products of all pairs of them,
        likewise; and `images`, the number of images with a pixel that counts.
    """
    true = true.astype(jnp.int32).reshape(len(true), -1)
    counted = true != ignored
    pairs = jnp.where(counted, true * classes + predicted.reshape(true.shape), 0)
    images = jnp.broadcast_to(jnp.arange(len(true))[:, None], pairs.shape)
    nothing = jnp.zeros((len(true), classes**2), jnp.int32)
    each = nothing.at[images, pairs].add(counted.astype(jnp.int32))
    each = each.reshape(-1, classes, classes)
    parts = jnp.concatenate(_parts(each / jnp.float32(max(1, pairs.shape[1]))), -1)
    moments = jnp.einsum("ni,nj->ij", parts, parts, precision="highest")
    images_that_count = counted.any(1).sum()
    return {
        COUNTS: each.sum(0), SHARES: parts.sum(0), MOMENTS: moments, IMAGES: images_that_count,
    }  # fmt: skip


def _parts(confusion: Any) -> tuple[Any, Any, Any]:
    """Return what is right, in the union, and there, of each class."""
    right = confusion.diagonal(axis1=-2, axis2=-1)
    there, answered = confusion.sum(-1), confusion.sum(-2)
    return right, there + answered - right, there


class Estimated(NamedTuple):
    """A number, or one of each class, and its standard error over images; NaN of one alone."""

    value: Any
    error: Any

    def measured(self, **about: Any) -> Measured:
        """Return a share as a measure with its interval; `about` as of `Accuracy.measured`."""
        half = float(ndtri(0.975)) * float(self.error)
        if np.isnan(half):
            return Measured(float(self.value), 0.0, 1.0, SHARE, **about)
        low, high = max(0.0, self.value - half), min(1.0, self.value + half)
        return Measured(float(self.value), float(low), float(high), SHARE, **about)


class Overlap(NamedTuple):
    """How well predicted regions lie on true ones.

    Attributes:
        iou: intersection over union of every class, NaN of one that is neither there nor predicted.
        mean_iou: its mean over the other classes.
        class_accuracy: the share of a class's pixels that is found, mean over classes that are
            there.
        pixel_accuracy: share of all pixels that is right.
    """

    iou: Estimated
    mean_iou: Estimated
    class_accuracy: Estimated
    pixel_accuracy: Estimated


def overlap(sums: Mapping[str, Any]) -> Overlap:
    """Return what follows from `confusion_sums` of all images.

    Raises:
        NothingCountedError: if none of their pixels counts.
    """
    counts = np.asarray(sums[COUNTS], np.int64)
    shares, moments = (np.asarray(sums[name], np.float64) for name in (SHARES, MOMENTS))
    classes, number = len(counts), int(sums[IMAGES])
    if not counts.any():
        raise NothingCountedError(
            "all pixels of the masks have the value of those that do not count, task.ignored, so "
            "that there is no IoU and no accuracy; measure other images, or mend the masks"
        )
    right, union, there = _parts(counts)
    everywhere = np.zeros((2, 3 * classes))
    everywhere[0, :classes] = everywhere[1, 2 * classes :] = 1
    whole = _ratio(everywhere[0] @ shares, everywhere[1] @ shares, *everywhere)
    unit = np.eye(3 * classes)

    def slopes(of: int) -> np.ndarray:
        """Return how ratios of the right ones to the parts of a kind move with the shares."""
        pairs = ((unit[c], unit[of * classes + c]) for c in range(classes))
        return np.array([_ratio(up @ shares, down @ shares, up, down) for up, down in pairs])

    def error(slope: np.ndarray) -> np.ndarray:
        # A slope times the shares is 0, so that the sum of squares is n times the variance.
        squares = np.maximum(np.einsum("...i,ij,...j->...", slope, moments, slope), 0)
        return np.sqrt(squares * (number / (number - 1) if number > 1 else np.nan))

    with np.errstate(invalid="ignore"):
        iou, found = right / union, right / there
    iou_slopes, found_slopes = slopes(1), slopes(2)
    return Overlap(
        Estimated(iou, np.where(union > 0, error(iou_slopes), np.nan)),
        _mean(iou, iou_slopes, union > 0, error),
        _mean(found, found_slopes, there > 0, error),
        Estimated(right.sum() / there.sum(), error(whole)),
    )


def _ratio(top: float, bottom: float, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return the gradient of (up z) / (down z) by z, where these are top and bottom."""
    return (up - top / bottom * down) / bottom if bottom > 0 else np.zeros_like(up)


def _mean(values: np.ndarray, slopes: np.ndarray, some: np.ndarray, error: Any) -> Estimated:
    return Estimated(values[some].mean(), error(slopes[some].mean(0)))
