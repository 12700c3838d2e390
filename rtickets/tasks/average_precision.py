"""Average precision of boxes, as COCO and as PASCAL VOC 2007 measure it.

COCO's (Lin et al. 2014) is the mean over 101 levels of recall, over classes and over IoU thresholds
from 0.50 to 0.95; VOC's (Everingham et al. 2010) takes 11 levels and one threshold, 0.5. What is
right is said by `rtickets.tasks.box_matches`.

AP is no sum over images, so intervals are from the delete-a-group jackknife over images: these are
dealt into 20 groups at random, always alike, and AP is taken 20 times without one of them.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from rtickets.errors import NothingCountedError
from rtickets.tasks.base import Measured
from rtickets.tasks.box_matches import Boxes, Matched, coco_matches, voc_matches
from rtickets.tasks.units import SHARE

_COCO = np.linspace(0, 1, 101)
_VOC = np.linspace(0, 1, 11) - 1e-12  # a recall of 3 in 10 reaches 0.3
_GROUPS, _SEED = 20, 0


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


def measured_precision(boxes: Boxes) -> dict[str, Measured]:
    """Return `ap`, `ap50`, `ap75` of COCO, `ap_voc07`, and AP of every class that is there.

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
    names = ["ap", "ap50", "ap75", "ap_voc07", *(f"ap_class_{k}" for k in range(classes))]
    return {
        name: _measured(value[k], error[k], detail=k >= 4)
        for k, name in enumerate(names)
        if not np.isnan(value[k])
    }


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


def _measured(value: float, error: float, detail: bool) -> Measured:
    if np.isnan(error):
        return Measured(float(value), 0.0, 1.0, SHARE, detail=detail)
    half = float(ndtri(0.975)) * float(error)
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Measured(float(value), float(low), float(high), SHARE, detail=detail)
