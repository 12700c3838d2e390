"""Which boxes are right, as COCO and as PASCAL VOC 2007 say.

COCO's matching (Lin et al. 2014) is that of `pycocotools`: a box is for the true one that it
overlaps most of those that no better box has taken, where the IoU reaches a threshold. VOC's
(Everingham et al. 2010), written here, knows one threshold, and has a box be for the true one that
it overlaps most, taken or not. Boxes are taken in continuous coordinates, without a pixel added to
their sides. Objects of all sizes count.

Boxes on crowds, or on objects that count as difficult, are neither right nor wrong; in COCO's
matching these are crowds, of which a box need only cover a part of its own area.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import InputError

IOUS = np.linspace(0.5, 0.95, 10)
INSTALL = "pip install 'rtickets[detection]'"

_LARGEST = 1e10  # pixels of a box: all count


class Boxes(NamedTuple):
    """True and found boxes of N images, NumPy arrays, padded.

    Attributes:
        boxes: (N, T, 4), the true ones, see `rtickets.data.images.moved_boxes`.
        classes: integers (N, T), -1 where there is none.
        crowd: bool (N, T): what is neither to be found nor wrong to find.
        found: (N, K, 4).
        scores: (N, K).
        named: integers (N, K), the classes of the found ones, -1 where there is none.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    found: np.ndarray
    scores: np.ndarray
    named: np.ndarray


class Matched(NamedTuple):
    """The D found boxes of a class in N images, and whether each is right at T thresholds.

    Attributes:
        scores: (D,).
        right: bool (T, D).
        counted: bool (T, D): right or wrong, not on a crowd.
        images: integers (D,), which image each is in.
        positives: integers (N,): true boxes by image.
    """

    scores: np.ndarray
    right: np.ndarray
    counted: np.ndarray
    images: np.ndarray
    positives: np.ndarray


def check_installed() -> None:
    """Raise InputError where `pycocotools` is missing."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError:
        raise InputError(f"average precision of boxes needs pycocotools: {INSTALL}") from None


def coco_matches(boxes: Boxes, classes: int) -> list[Matched]:
    """Return what `pycocotools` finds right of every class, at `IOUS`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        sides = (_annotated(COCO(), boxes, classes, true) for true in (True, False))
        judge = COCOeval(*sides, "bbox")
        judge.params.iouThrs, judge.params.maxDets = IOUS, [boxes.found.shape[1]]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, _LARGEST]], ["all"]
        judge.evaluate()
    count = len(boxes.boxes)
    each = [judge.evalImgs[of * count : (of + 1) * count] for of in range(classes)]
    return [_joined(images) for images in each]


def _annotated(side: Any, boxes: Boxes, classes: int, true: bool) -> Any:
    """Fill in COCO's object for true or for found boxes."""
    corners, named = (boxes.boxes, boxes.classes) if true else (boxes.found, boxes.named)
    annotations: list[dict[str, Any]] = []
    for image, place in np.argwhere(named >= 0):
        top, left, bottom, right = corners[image, place].astype(float).tolist()
        height, width = bottom - top, right - left
        annotations.append({
            "id": len(annotations) + 1, "image_id": int(image), "area": height * width,
            "category_id": int(named[image, place]), "bbox": [left, top, width, height],
            "iscrowd": int(boxes.crowd[image, place]) if true else 0,
            **({} if true else {"score": float(boxes.scores[image, place])}),
        })  # fmt: skip
    side.dataset = {
        "images": [{"id": number} for number in range(len(named))],
        "categories": [{"id": number} for number in range(classes)],
        "annotations": annotations,
    }
    side.createIndex()
    return side


def _joined(images: Sequence[dict[str, Any] | None]) -> Matched:
    """Put what `pycocotools` found of the images of a class beside each other."""
    scores, right, counted, numbers = [], [], [], []
    positives = np.zeros(len(images), int)
    for number, each in enumerate(images):
        if each is None:
            continue
        ignored = np.asarray(each["dtIgnore"], bool)
        scores.append(np.asarray(each["dtScores"], float))
        right.append((np.asarray(each["dtMatches"]) > 0) & ~ignored)
        counted.append(~ignored)
        numbers.append(np.full(len(scores[-1]), number))
        positives[number] = (np.asarray(each["gtIgnore"]) == 0).sum()
    none = np.zeros((len(IOUS), 0), bool)
    return Matched(
        np.concatenate([[], *scores]), np.concatenate([none, *right], 1),
        np.concatenate([none, *counted], 1), np.concatenate([[], *numbers]).astype(int), positives,
    )  # fmt: skip


def voc_matches(boxes: Boxes, classes: int, overlap: float = 0.5) -> list[Matched]:
    """Return what VOC's rule finds right of every class.

    Boxes of an image are taken from the best on; each is for the true one that it overlaps most,
    and is wrong if that has been found already.
    """
    return [_voc_class(boxes, number, overlap) for number in range(classes)]


def _voc_class(boxes: Boxes, number: int, overlap: float) -> Matched:
    own, ours = boxes.classes == number, boxes.named == number
    scores, right, counted, images = [], [], [], []
    for image in np.flatnonzero(ours.any(1)):
        for each in _judged(boxes, int(image), number, overlap):
            scores.append(boxes.scores[image, each.place])
            right.append(each.right)
            counted.append(each.counted)
            images.append(image)
    return Matched(
        np.array(scores, float), np.array(right, bool)[None], np.array(counted, bool)[None],
        np.array(images, int), (own & ~boxes.crowd).sum(1),
    )  # fmt: skip


class _Judged(NamedTuple):
    """A found box of a class: its place, whether it is right, whether it counts, and of which."""

    place: int
    right: bool
    counted: bool
    true: int


def _judged(boxes: Boxes, image: int, number: int, overlap: float) -> Iterator[_Judged]:
    """Yield the found boxes of a class in an image, from the best on, see `voc_matches`."""
    own, ours = (np.flatnonzero(of[image] == number) for of in (boxes.classes, boxes.named))
    taken = set()
    for place in ours[np.argsort(-boxes.scores[image][ours], kind="stable")].tolist():
        shared = _ious(boxes.found[image, place], boxes.boxes[image][own])
        best = int(own[shared.argmax()]) if len(own) else -1
        hit = bool(len(own)) and shared.max() >= overlap
        crowd = hit and bool(boxes.crowd[image, best])
        yield _Judged(place, hit and not crowd and best not in taken, not crowd, best)
        if hit:
            taken.add(best)


def _ious(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU of a box with others (N, 4), in 64 bits."""
    box, others = box.astype(float), others.astype(float)
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.maximum(high - low, 0).prod(-1)
    areas = (others[:, 2:] - others[:, :2]).prod(-1) + (box[2:] - box[:2]).prod()
    return both / np.maximum(areas - both, np.spacing(1))


def judged_boxes(boxes: Boxes, number: int, overlap: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes of a class and what became of each, by VOC's rule.

    Returns:
        Boxes (N, K + T, 4), the found ones and those that were missed, and integers (N, K + T): 0
        of one that is right, 1 of one that is wrong, 2 of one that was missed, -1 of all others.
    """
    named = np.full(boxes.named.shape, -1)
    missed = np.where((boxes.classes == number) & ~boxes.crowd, 2, -1)
    for image in range(len(boxes.boxes)):
        for each in _judged(boxes, image, number, overlap):
            if each.counted:
                named[image, each.place] = 0 if each.right else 1
            if each.right:
                missed[image, each.true] = -1
    both = np.concatenate([boxes.found, boxes.boxes], 1)
    return both, np.concatenate([named, missed], 1)
