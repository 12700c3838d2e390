"""Boxes of COCO (Lin et al. 2014), or of a set of one's own in its layout.

ROOT/annotations/instances_{train,val}2017.json, ROOT/{train,val}2017/*.jpg
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtickets.data.sources.original.box_listing import BoxListing, Pictured, check_there, pictured
from rtickets.data.sources.original.coco_file import CocoFile, is_crowd, real
from rtickets.data.sources.original.listing import locate
from rtickets.errors import InputError

_ANNOTATIONS = "annotations/instances_{}.json"
PARTS = {"train": "train2017", "test": "val2017"}
"""Folders of the splits; the published validation images are the test split."""


def read_coco_boxes(root: Path) -> BoxListing:
    """List the images of COCO and read their boxes; crowds are marked.

    Classes are the categories, by their numbers. The published validation images are the test
    split. Boxes without an inside, of which there are a few, are left out and counted.

    Args:
        root: holds the layout, or folders that hold its parts.

    Raises:
        InputError: naming the file that is missing or damaged, and what in it is wrong.
    """
    splits, names, notes = {}, dict[str, dict[int, str]](), []
    for split, part in PARTS.items():
        listed = _ANNOTATIONS.format(part)
        read = _Read(locate(root, listed) / listed, locate(root, part) / part)
        names[split] = {number: each["name"] for number, each in read.categories.items()}
        splits[split] = read.pictures()
        if read.empty:
            notes.append(f"{read.path.name}: {read.empty} boxes without an inside are left out")
    if names["train"] != names["test"]:
        raise InputError(f"{root}: the categories of {' and '.join(PARTS.values())} differ")
    return BoxListing(tuple(names["train"].values()), splits, tuple(notes))


class _Read(CocoFile):
    """An annotation file with boxes."""

    empty = 0  # boxes without an inside

    def pictures(self) -> tuple[Pictured, ...]:
        """Return the images with their boxes, in the order of their numbers."""
        about = self.images()
        self._labels = {number: label for label, number in enumerate(self.categories)}
        found: dict[int, list[tuple[Any, int, bool]]] = {number: [] for number in about}
        for number, box in self.annotations(about, self._box):
            if box is not None:
                found[number].append(box)
        images = [
            pictured(*about[number], found[number], f"{self.path}: image {number}")
            for number in sorted(about)
        ]
        check_there(images, self.path)
        return tuple(images)

    def _box(
        self, number: int, category: int, each: Mapping[str, Any]
    ) -> tuple[int, tuple[Any, int, bool] | None]:
        """Return the number of the image, and the box; None for one without an inside."""
        left, top, width, height = (real(side) for side in each["bbox"])
        if width <= 0 or height <= 0:
            self.empty += 1
            return number, None
        corners = top, left, top + height, left + width
        return number, (corners, self._labels[category], is_crowd(each))
