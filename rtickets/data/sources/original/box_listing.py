"""What readers of sets with boxes return: where images lie, and what is in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import InputError

_SLACK = 1.5  # pixels that published boxes may reach out of their image, and are cut off at


class Pictured(NamedTuple):
    """An image file and the K boxes in it.

    Attributes:
        path: the file.
        size: its height and width, as its annotation says.
        boxes: float32 (K, 4): top, left, bottom, right in pixels, in continuous coordinates.
        classes: int32 (K,).
        crowd: bool (K,): those that count neither for nor against a detector.
    """

    path: Path
    size: tuple[int, int]
    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray


class BoxListing(NamedTuple):
    """A set of images with boxes.

    Attributes:
        class_names: names of the classes.
        splits: 'train' and 'test'.
        notes: what was left out, in lines.
    """

    class_names: tuple[str, ...]
    splits: dict[str, tuple[Pictured, ...]]
    notes: tuple[str, ...] = ()


def pictured(
    path: Path, size: tuple[int, int], found: Sequence[tuple[Any, int, bool]], source: object
) -> Pictured:
    """Check the boxes of an image.

    Args:
        path: the image file.
        size: its height and width.
        found: (top, left, bottom, right), class and crowd of every box.
        source: what errors call the annotation.

    Raises:
        InputError: for a size that is none, and a box that is empty or not in the image.
    """
    if min(size) < 1 or max(size) > 1 << 16:
        raise InputError(f"{source}: has the size {size[0]}x{size[1]}, which is none of an image")
    boxes = np.array([box for box, _, _ in found], np.float64).reshape(-1, 4)
    ends = np.array([*size, *size], np.float64)
    odd = ~np.isfinite(boxes).all(-1) | (boxes < -_SLACK).any(-1) | (boxes > ends + _SLACK).any(-1)
    boxes = np.clip(boxes, 0, ends)
    odd |= (boxes[:, 2:] <= boxes[:, :2]).any(-1)
    if odd.any():
        place = int(odd.argmax())
        corners = ", ".join(f"{each:g}" for each in found[place][0])
        raise InputError(
            f"{source}: box {place}, ({corners}) as top, left, bottom, right, is empty or not in "
            f"its image of {size[0]}x{size[1]} pixels"
        )
    return Pictured(
        path, size, boxes.astype(np.float32), np.array([label for _, label, _ in found], np.int32),
        np.array([crowd for _, _, crowd in found], bool),
    )  # fmt: skip


def check_there(images: Sequence[Pictured], source: object) -> None:
    """Raise InputError for a split without images, and for the first image file that is missing."""
    if not images:
        raise InputError(f"{source}: lists no images")
    there = {folder: {p.name for p in folder.iterdir()} if folder.is_dir() else set()
             for folder in {each.path.parent for each in images}}  # fmt: skip
    for each in images:
        if each.path.name not in there[each.path.parent]:
            raise InputError(f"{source}: lists {each.path}, which is missing")
