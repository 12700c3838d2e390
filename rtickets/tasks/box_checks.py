"""What has to hold for the boxes of a data set, before anything is learnt from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rtickets.data.arrays import Raw
from rtickets.data.checks import some
from rtickets.errors import InputError

BOXES, CLASSES, CROWD = "boxes", "classes", "crowd"
"""Names of the arrays, see `rtickets.tasks.detection`."""

_SLACK = 1e-3  # pixels that rounding may put a box outside


def check_boxes(raw: Raw, image: str, name: str) -> tuple[str, ...]:
    """Check the boxes of all splits, and return which classes have no training box.

    Args:
        image: name of the images.
        name: what the errors call what a source delivered.

    Raises:
        InputError: naming the split, and the first image and box that are wrong.
    """
    for part, split in (("train", raw.train), ("val", raw.validation), ("test", raw.test)):
        if split is not None:
            _check_split(split.arrays, image, len(raw.class_names), f"{name}: {part}")
    arrays = raw.train.arrays
    there = np.asarray(arrays[CLASSES])[~np.asarray(arrays.get(CROWD, False))]
    unused = sorted(set(range(len(raw.class_names))) - set(there.ravel().tolist()))
    names = [raw.class_names[number] for number in unused]
    return (f"classes without a training box: {some(names)}",) if unused else ()


def _check_split(arrays: Mapping[str, Any], image: str, count: int, name: str) -> None:
    if BOXES not in arrays or CLASSES not in arrays or not count:
        raise InputError(
            f"{name}: its examples are {', '.join(arrays)}, of {count} named classes; to detect "
            f"objects they need {BOXES!r}, {CLASSES!r} and a name per class"
        )
    boxes, classes = np.asarray(arrays[BOXES]), np.asarray(arrays[CLASSES])
    crowd = np.asarray(arrays.get(CROWD, np.zeros(classes.shape, bool)))
    _check_kinds(boxes, classes, crowd, name)
    odd = np.argwhere((classes < -1) | (classes >= count))
    if len(odd):
        raise InputError(
            f"{name}: box {odd[0][1]} of image {odd[0][0]} has the class {classes[tuple(odd[0])]}; "
            f"expected 0 to {count - 1}, or -1 in a row without a box"
        )
    if not ((classes >= 0) & ~crowd).any():
        raise InputError(f"{name}: has no box of an object, so that there is nothing to detect")
    if isinstance(arrays[BOXES], np.ndarray):  # those that are streamed were checked when read
        _check_places(boxes, classes >= 0, arrays[image].shape[1:3], name)


def _check_kinds(boxes: np.ndarray, classes: np.ndarray, crowd: np.ndarray, name: str) -> None:
    shape = classes.shape
    fine = len(shape) == 2 and shape[1] and boxes.shape == (*shape, 4) and crowd.shape == shape
    kinds = boxes.dtype.kind == "f" and classes.dtype.kind in "iu" and crowd.dtype == bool
    if not (fine and kinds):
        raise InputError(
            f"{name}: boxes are {boxes.dtype} {boxes.shape}, classes {classes.dtype} {shape}, "
            f"crowd {crowd.dtype} {crowd.shape}; expected floats (N, M, 4), integers (N, M), bool "
            "(N, M), M of them in an image, at least 1"
        )


def _check_places(boxes: np.ndarray, there: np.ndarray, size: tuple[int, ...], name: str) -> None:
    """Refuse boxes without an inside, and those that are not in their image."""
    ends = np.array([*size, *size])
    wrong = {
        "has values that are not finite": ~np.isfinite(boxes).all(-1),
        "is empty": (boxes[..., 2:] <= boxes[..., :2]).any(-1),
        f"is not in the image of {size[0]}x{size[1]} pixels": (
            (boxes < -_SLACK) | (boxes > ends + _SLACK)
        ).any(-1),
    }
    for why, where in wrong.items():
        odd = np.argwhere(where & there)
        if len(odd):
            number, place = odd[0]
            found = ", ".join(f"{each:g}" for each in boxes[number, place])
            raise InputError(
                f"{name}: box {place} of image {number}, ({found}), {why}; expected (top, left, "
                "bottom, right) in pixels, or class -1 in a row without a box"
            )
