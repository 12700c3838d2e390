"""Boxes of COCO (Lin et al. 2014), or of a set of one's own in its layout.

ROOT/annotations/instances_{train,val}2017.json, ROOT/{train,val}2017/*.jpg
"""

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtickets.data.limits import size_of
from rtickets.data.sources.original.box_listing import BoxListing, Pictured, check_there, pictured
from rtickets.data.sources.original.listing import locate
from rtickets.errors import InputError

_ANNOTATIONS = "annotations/instances_{}.json"
_PARTS = {"train": "train2017", "test": "val2017"}


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
    for split, part in _PARTS.items():
        listed = _ANNOTATIONS.format(part)
        path = locate(root, listed) / listed
        read = _Read(path, locate(root, part) / part)
        names[split], splits[split] = read.categories, read.images()
        if read.empty:
            notes.append(f"{path.name}: {read.empty} boxes without an inside are left out")
    if names["train"] != names["test"]:
        raise InputError(f"{root}: the categories of {' and '.join(_PARTS.values())} differ")
    return BoxListing(tuple(names["train"].values()), splits, tuple(notes))


class _Read:
    """The contents of an annotation file, checked as they are read."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder, self.empty = path, folder, 0
        size_of(path)
        try:
            found = json.loads(path.read_bytes())
            self._images, self._boxes, listed = (
                _list(found, name) for name in ("images", "annotations", "categories")
            )
            categories = {_integer(each["id"]): _name(each["name"]) for each in listed}
        except Exception as error:  # damage surfaces as whatever the parser trips over
            raise self._wrong(f"{type(error).__name__}: {error}") from None
        self.categories = dict(sorted(categories.items()))
        if not categories or len(set(categories.values())) < len(listed):
            raise self._wrong("categories need a number and a name of their own, one at least")
        self._labels = {number: label for label, number in enumerate(self.categories)}

    def _wrong(self, why: str) -> InputError:
        return InputError(f"{self._path}: cannot be read as annotations of COCO: {why}")

    def images(self) -> tuple[Pictured, ...]:
        """Return the images with their boxes, in the order of their numbers."""
        about: dict[int, tuple[Path, tuple[int, int]]] = {}
        for place, each in enumerate(self._images):
            try:
                number, path = _integer(each["id"]), self._named(each["file_name"])
                about[number] = path, (_integer(each["height"]), _integer(each["width"]))
            except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise self._wrong(f"image {place}: {type(error).__name__}: {error}") from None
        if len(about) < len(self._images):
            raise self._wrong("two images have one number")
        found: dict[int, list[tuple[Any, int, bool]]] = {number: [] for number in about}
        for place, each in enumerate(self._boxes):
            try:
                number, box = self._box(each, about)
            except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise self._wrong(f"annotation {place}: {type(error).__name__}: {error}") from None
            if box is not None:
                found[number].append(box)
        images = [
            pictured(*about[number], found[number], f"{self._path}: image {number}")
            for number in sorted(about)
        ]
        check_there(images, self._path)
        return tuple(images)

    def _named(self, name: Any) -> Path:
        if not isinstance(name, str) or not name or Path(name).name != name or name[0] == ".":
            raise ValueError(f"the file name {name!r} is not one in {self._folder.name}")
        return self._folder / name

    def _box(
        self, each: Mapping[str, Any], images: Mapping[int, Any]
    ) -> tuple[int, tuple[Any, int, bool] | None]:
        """Return the number of the image, and the box; None for one without an inside."""
        number, category = _integer(each["image_id"]), _integer(each["category_id"])
        if number not in images or category not in self._labels:
            raise ValueError(f"image_id {number} or category_id {category} is none of the file's")
        left, top, width, height = (_real(side) for side in each["bbox"])
        if width <= 0 or height <= 0:
            self.empty += 1
            return number, None
        corners = top, left, top + height, left + width
        crowd = each.get("iscrowd", 0)
        if not isinstance(crowd, int) or crowd not in (0, 1):
            raise ValueError(f"iscrowd is {crowd!r}; expected 0 or 1, without quotes")
        return number, (corners, self._labels[category], bool(crowd))


def _list(found: Any, name: str) -> list[Any]:
    value = found[name]
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is {reprlib.repr(value)}; expected a list")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no name; expected one in quotes")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no integer")
    return value


def _real(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return float(value)
