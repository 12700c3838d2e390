"""Intersection over union and its like, from counts that add up over images.

Every image is one observation: pixels of one image are alike, so that intervals are over images.
A mean of ratios of sums has no exact interval; what is given is the delta method's, from second
moments of what each image counts, which add up over batches, devices and hosts like the counts.
Where images do not differ it is Wilson's, of as many images of one size as know as much, see
`rtickets.tasks.ratios`; of a mean over classes as of balanced accuracy, and of all images at most.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.errors import NothingCountedError
from rtickets.tasks.accuracy import of_all_classes, within
from rtickets.tasks.base import Measured, Sums
from rtickets.tasks.ratios import ROUNDING

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
    """A number, or one of each class, and how sure it is.

    Attributes:
        value: the number.
        error: its standard error over images; NaN of one alone.
        images: as many images of one size as know as much.
    """

    value: Any
    error: Any
    images: Any

    def of(self, number: int) -> "Estimated":
        """Return that of one class."""
        return Estimated(self.value[number], self.error[number], self.images[number])

    def measured(self, **about: Any) -> Measured:
        """Return a share as a measure with its interval; `about` as of `Accuracy.measured`."""
        return within(self.value, self.error, self.images, **about)


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
    error = partial(_error, moments, number)

    def slopes(of: int) -> np.ndarray:
        """Return how ratios of the right ones to the parts of a kind move with the shares."""
        pairs = ((unit[c], unit[of * classes + c]) for c in range(classes))
        return np.array([_ratio(up @ shares, down @ shares, up, down) for up, down in pairs])

    def images(of: int) -> np.ndarray:
        """Return how many images of one size know as much of every class's part of a kind."""
        own = slice(of * classes, (of + 1) * classes)
        with np.errstate(invalid="ignore"):
            return shares[own] ** 2 / moments.diagonal()[own]

    def mean(values: np.ndarray, slope: np.ndarray, of: int) -> Estimated:
        some = np.isfinite(values)
        most = min(number, of_all_classes(images(of)[some]))
        return Estimated(values[some].mean(), error(slope[some].mean(0)), most)

    with np.errstate(invalid="ignore"):
        iou, found, of_union = right / union, right / there, images(1)
    iou_slopes, found_slopes = slopes(1), slopes(2)
    total, squared = (everywhere[1] @ each @ everywhere[1] for each in (np.diag(shares), moments))
    return Overlap(
        Estimated(iou, np.where(union > 0, error(iou_slopes), np.nan), of_union),
        mean(iou, iou_slopes, 1),
        mean(found, found_slopes, 2),
        Estimated(right.sum() / there.sum(), error(whole), total**2 / squared),
    )


def _error(moments: np.ndarray, number: int, slope: np.ndarray) -> np.ndarray:
    """Return the standard errors of what moves with the shares by slopes, of so many images."""
    # A slope times the shares is 0, so that the sum of squares is n times the variance.
    squares, size = (
        np.einsum("...i,ij,...j->...", each, moments, each) for each in (slope, np.abs(slope))
    )
    squares = np.where(squares > ROUNDING * size, squares, 0)
    found: np.ndarray = np.sqrt(squares * (number / (number - 1) if number > 1 else np.nan))
    return found


def _ratio(top: float, bottom: float, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return the gradient of (up z) / (down z) by z, where these are top and bottom."""
    return (up - top / bottom * down) / bottom if bottom > 0 else np.zeros_like(up)
