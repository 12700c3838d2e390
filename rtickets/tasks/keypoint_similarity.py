"""Object keypoint similarity (OKS), and average precision by it, as COCO measures keypoints.

The similarity of found points to true ones is the mean over labelled points of
exp(-d^2 / (8 A s^2)) for the distance d, the area A of the object and the point's own deviation s
(Lin et al. 2014). Matching is COCO's: found objects of a picture, from the surest on and 20 at
most, each take the most similar true one that is left, where the similarity reaches a threshold.
Objects of all sizes count; one without a labelled point is not there, and neither is what was found
of it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import NothingCountedError
from rtickets.tasks.accuracy import within
from rtickets.tasks.average_precision import jackknife, precisions
from rtickets.tasks.box_matches import IOUS, Matched
from rtickets.tasks.measured import Measured

_LEVELS = np.linspace(0, 1, 101)  # of recall
_MOST = 20  # found objects of a picture that are looked at
_ALIKE = 1 - 1e-10  # a similarity that counts as 1
_MEANS = "ap", "ap50", "ap75"


class Posed(NamedTuple):
    """True and found keypoints of N objects, NumPy arrays.

    Attributes:
        keypoints: (N, K, 3): down and right in pixels, and 0 where a point is not labelled.
        areas: (N,) in pixels.
        pictures: integers (N,): which picture an object is in.
        found: (N, K, 2).
        scores: (N,) how sure the found ones are.
    """

    keypoints: np.ndarray
    areas: np.ndarray
    pictures: np.ndarray
    found: np.ndarray
    scores: np.ndarray

    @property
    def there(self) -> "Posed":
        """The objects that have a labelled point."""
        some = (self.keypoints[..., 2] > 0).any(-1)
        return Posed(*(each[some] for each in self))


def similarities(
    keypoints: np.ndarray, areas: np.ndarray, found: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Return the OKS of every found object (D, K, 2) with every true one (T, K, 3), (D, T)."""
    true, labelled = keypoints[..., :2].astype(float), keypoints[..., 2] > 0
    squares = ((found[:, None].astype(float) - true[None]) ** 2).sum(-1)
    spread = 2 * (areas[:, None] + np.spacing(1)) * (2 * sigmas) ** 2
    near = np.exp(-squares / spread) * labelled
    total: np.ndarray = near.sum(-1) / np.maximum(labelled.sum(-1), 1)
    return total


def matches(posed: Posed, sigmas: np.ndarray) -> Matched:
    """Return which found objects are right, at `IOUS` as thresholds of the similarity."""
    names = np.unique(posed.pictures)
    scores, right, numbers = [], [], []
    positives = np.zeros(len(names), int)
    for number, name in enumerate(names):
        own = np.flatnonzero(posed.pictures == name)
        order = own[np.argsort(-posed.scores[own], kind="mergesort")][:_MOST]
        alike = similarities(posed.keypoints[own], posed.areas[own], posed.found[order], sigmas)
        scores.append(posed.scores[order])
        right.append(_taken(alike))
        numbers.append(np.full(len(order), number))
        positives[number] = len(own)
    every = np.concatenate(right, 1)
    return Matched(
        np.concatenate(scores), every, np.ones_like(every), np.concatenate(numbers), positives
    )


def _taken(alike: np.ndarray) -> np.ndarray:
    """Return whether found objects, the surest first, take a true one, bool (T, D)."""
    right = np.zeros((len(IOUS), len(alike)), bool)
    for threshold, each in zip(np.minimum(IOUS, _ALIKE), right, strict=True):
        left = np.ones(alike.shape[1], bool)
        for place, row in enumerate(alike):
            open_to = np.where(left, row, -1)
            # Of equal ones COCO takes the last.
            best = len(row) - 1 - int(open_to[::-1].argmax())
            if open_to[best] >= threshold:
                each[place], left[best] = True, False
    return right


def measured_similarity(posed: Posed, sigmas: np.ndarray) -> dict[str, Measured]:
    """Return average precision over thresholds from 0.50 to 0.95, and at 0.50 and 0.75.

    Intervals are those of `rtickets.tasks.average_precision`, over pictures.

    Raises:
        NothingCountedError: where no object has a labelled point.
    """
    posed = posed.there
    if not len(posed.areas):
        raise NothingCountedError("no object has a labelled keypoint; measure more examples")
    matched = matches(posed, sigmas)

    def of(kept: np.ndarray | None) -> np.ndarray:
        each = precisions(matched, _LEVELS, kept)
        return np.array([each.mean(), each[0], each[5]])

    count = len(matched.positives)
    value, error = of(None), jackknife(of, count)
    pairs = zip(_MEANS, value, error, strict=True)
    return {name: within(one, other, count) for name, one, other in pairs}


def posed_of(listed: Mapping[str, Any]) -> Posed:
    """Return what is listed of all examples; without `pictures` each is one of its own."""
    arrays = {name: np.asarray(each) for name, each in listed.items()}
    arrays.setdefault("pictures", np.arange(len(arrays["areas"])))
    return Posed(**arrays)
