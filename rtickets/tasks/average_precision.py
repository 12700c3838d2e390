"""Average precision of boxes, as COCO and as PASCAL VOC 2007 measure it.

COCO's (Lin et al. 2014) is the mean over 101 levels of recall, over classes and over IoU thresholds
from 0.50 to 0.95; VOC's (Everingham et al. 2010) takes 11 levels and one threshold, 0.5. What is
right is said by `rtickets.tasks.box_matches`.

AP is no sum over images, so intervals are from the delete-a-group jackknife over images: these are
dealt into 20 groups at random, always alike, and AP is taken 20 times without one of them. Where
that changes nothing the interval is Wilson's, of as many images as have a box of the class; of a
mean over classes as of balanced accuracy, and of all images at most.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rtickets.errors import NothingCountedError
from rtickets.tasks.accuracy import of_all_classes, within
from rtickets.tasks.base import Measured
from rtickets.tasks.box_matches import Boxes, Matched, coco_matches, voc_matches

_COCO = np.linspace(0, 1, 101)
_VOC = np.linspace(0, 1, 11) - 1e-12  # a recall of 3 in 10 reaches 0.3
_GROUPS, _SEED = 20, 0
_MEANS = "ap", "ap50", "ap75", "ap_voc07"


def precisions(matched: Matched, levels: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
    """Return AP at every threshold, (T,), NaN without a true box.

    Args:
        levels: of recall, at which precision is taken: the best of this and of all larger recalls.
        kept: bool (N,), the images that count; None is all.
    """
    positives, choice = matched.positives, slice(None)
    if kept is not None:
        positives, choice = positives[kept], kept[matched.images]
    total = positives.sum()
    if not total:
        return np.full(len(matched.right), np.nan)
    order = np.argsort(-matched.scores[choice], kind="mergesort")
    right, counted = (each[:, choice][:, order] for each in (matched.right, matched.counted))
    hits = np.cumsum(right, 1, dtype=float)
    precision = hits / (np.cumsum(counted, 1) + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], 1)
    places = [np.searchsorted(each / total, levels, side="left") for each in hits]
    return np.array([own[place].mean() for own, place in zip(best, places, strict=True)])


class Precision(NamedTuple):
    """Average precision.

    Attributes:
        means: over classes: `ap`, `ap50`, `ap75` of COCO, and `ap_voc07`.
        of_classes: `ap` of every class that is there.
    """

    means: dict[str, Measured]
    of_classes: dict[int, Measured]


def measured_precision(boxes: Boxes) -> Precision:
    """Return average precision.

    Raises:
        NothingCountedError: if there is no true box that counts.
    """
    classes = 1 + max(int(boxes.classes.max()), int(boxes.named.max(initial=-1)))
    coco, voc = coco_matches(boxes, classes), voc_matches(boxes, classes)
    if not any(each.positives.any() for each in coco):
        raise NothingCountedError(
            f"none of {len(boxes.boxes)} images has a box that counts, so that there is no average "
            "precision; measure more images"
        )

    def of(kept: np.ndarray | None) -> np.ndarray:
        each = np.array([precisions(own, _COCO, kept) for own in coco])  # (classes, T)
        old = np.array([precisions(own, _VOC, kept)[0] for own in voc])
        table = np.stack([each.mean(1), each[:, 0], each[:, 5], old])  # of 0.5 and 0.75
        some = ~np.isnan(old)
        means = table[:, some].mean(1) if some.any() else np.full(4, np.nan)
        return np.concatenate([means, table[0]])

    value, error = of(None), jackknife(of, len(boxes.boxes))
    images = np.array([(own.positives > 0).sum() for own in coco])  # that have one of the class
    most = min(len(boxes.boxes), of_all_classes(images[images > 0]))
    numbers = [most] * len(_MEANS) + images.tolist()
    each = [within(*one) for one in zip(value, error, numbers, strict=True)]
    there = np.flatnonzero(~np.isnan(value[4:])).tolist()
    return Precision(
        {name: each[k] for k, name in enumerate(_MEANS) if not np.isnan(value[k])},
        {k: each[4 + k]._replace(detail=True) for k in there},
    )


def jackknife(of: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """Return standard errors over images, see the head of this file; NaN where there are none.

    Args:
        of: (bool (count,), the images that count) -> numbers.
        count: number of images.
    """
    groups = min(_GROUPS, count)
    dealt = np.random.default_rng(_SEED).permutation(count) % groups
    each = np.array([of(dealt != group) for group in range(groups)])
    if groups < 2:
        return np.full(each.shape[1:], np.nan)
    errors: np.ndarray = np.sqrt((groups - 1) * each.var(0))
    return errors
