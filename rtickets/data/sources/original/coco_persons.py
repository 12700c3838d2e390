"""Keypoints of persons in COCO (Lin et al. 2014), or of a set of one's own in its layout.

ROOT/annotations/person_keypoints_{train,val}2017.json, ROOT/{train,val}2017/*.jpg
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.skeletons import COCO_PERSON
from rtickets.data.sources.original.coco_boxes import PARTS
from rtickets.data.sources.original.coco_file import CocoFile, integer, is_crowd, real
from rtickets.data.sources.original.listing import locate

_ANNOTATIONS = "annotations/person_keypoints_{}.json"
_LARGEST = 1e6  # pixels away that a point may lie
_SMALLEST = 1e-2  # pixels, what a side of a box is longer than


class Person(NamedTuple):
    """A person of whom a keypoint is labelled.

    Attributes:
        path: the image file.
        size: its height and width.
        picture: its number.
        box: top, left, bottom and right, in pixels.
        area: of the person, in pixels.
        keypoints: float32 (17, 3): down, right, and 0 (not labelled), 1 (hidden) or 2 (in sight).
            The middle of the first pixel lies at (0.5, 0.5): COCO numbers pixels from 0.
    """

    path: Path
    size: tuple[int, int]
    picture: int
    box: tuple[float, float, float, float]
    area: float
    keypoints: np.ndarray


def read_coco_persons(root: Path) -> dict[str, tuple[Person, ...]]:
    """Read the persons of COCO, 'train' (149,813) and 'test' (6,352), in the order of images.

    They are those with a labelled keypoint that are no crowd, as models are trained on and judged
    by. Images without any are left out.

    Args:
        root: holds the layout, or folders that hold its parts.

    Raises:
        InputError: naming the file that is missing or damaged, and what in it is wrong.
    """
    splits = {}
    for split, part in PARTS.items():
        listed = _ANNOTATIONS.format(part)
        read = _Read(locate(root, listed) / listed, locate(root, part) / part)
        splits[split] = read.persons()
    return splits


class _Read(CocoFile):
    """An annotation file with keypoints."""

    def persons(self) -> tuple[Person, ...]:
        """Return the persons, in the order of their images' numbers."""
        (category, *others) = self.categories.values()
        if others or category.get("keypoints") != list(COCO_PERSON.names):
            raise self.wrong(
                f"categories: expected one, with 'keypoints': {', '.join(COCO_PERSON.names)}"
            )
        self._about = self.images()
        found = [each for each in self.annotations(self._about, self._person) if each is not None]
        if not found:
            raise self.wrong("no person has a labelled keypoint")
        there = {path.name for path in found[0].path.parent.glob("*")}
        for each in found:
            if each.path.name not in there:
                raise self.wrong(f"lists {each.path}, which is missing")
        return tuple(sorted(found, key=lambda each: each.picture))

    def _person(self, number: int, category: int, each: Mapping[str, Any]) -> Person | None:
        """Return a person, None where nothing is labelled."""
        del category
        path, size = self._about[number]
        if min(size) < 1 or max(size) > 1 << 16:
            raise ValueError(f"its image has the size {size[0]}x{size[1]}, which is none")
        points = _points(each["keypoints"])
        left, top, width, height = (real(side) for side in each["bbox"])
        if is_crowd(each) or not points[:, 2].any():
            return None
        box, area = (top, left, top + height, left + width), real(each["area"])
        if not (np.isfinite([*box, area]).all() and min(width, height) > _SMALLEST and area > 0):
            raise ValueError(f"the box {each['bbox']} or the area {area:g} of a person is empty")
        if max(map(abs, box)) > _LARGEST:
            raise ValueError(f"the box {each['bbox']} lies far from its image")
        if min(size[0] - top, size[1] - left, top + height, left + width) <= 0:
            raise ValueError(f"the box {each['bbox']} holds nothing of its image")
        return Person(path, size, number, box, area, points)


def _points(values: Any) -> np.ndarray:
    """Return keypoints (17, 3) of x, y and v, one after the other."""
    flat = [real(value) for value in values]
    if len(flat) != 3 * len(COCO_PERSON.names):
        raise ValueError(f"keypoints has {len(flat)} numbers; expected 3 for each of 17")
    found = np.array(flat).reshape(-1, 3)
    if odd := [each for each in values[2::3] if integer(each) not in (0, 1, 2)]:
        raise ValueError(f"a keypoint has v={odd[0]}; expected 0, 1 or 2")
    if not (np.abs(found) < _LARGEST).all():
        raise ValueError("a keypoint lies nowhere near its image")
    there = found[:, 2:] > 0
    moved = np.concatenate([found[:, 1::-1] + 0.5, found[:, 2:]], 1)
    kept: np.ndarray = np.where(there, moved, 0).astype(np.float32)
    return kept
