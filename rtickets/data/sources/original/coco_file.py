"""Annotation files of COCO (Lin et al. 2014): JSON with images, annotations and categories."""

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rtickets.data.limits import size_of
from rtickets.errors import InputError

_T = TypeVar("_T")


class CocoFile:
    """The contents of an annotation file, checked as they are read.

    Attributes:
        path: the file.
        categories: entries by their numbers, in the order of these.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        """Read a file whose images lie in a folder."""
        self.path, self._folder = path, folder
        size_of(path)
        try:
            found = json.loads(path.read_bytes())
            self._images, self._annotations, listed = (
                _list(found, name) for name in ("images", "annotations", "categories")
            )
            entries = {integer(each["id"]): each for each in listed}
            names = {text(each["name"]) for each in listed}
        except Exception as error:  # damage surfaces as whatever the parser trips over
            raise self.wrong(f"{type(error).__name__}: {error}") from None
        self.categories: dict[int, Mapping[str, Any]] = dict(sorted(entries.items()))
        if not entries or len(names) < len(listed):
            raise self.wrong("categories need a number and a name of their own, one at least")

    def wrong(self, why: str) -> InputError:
        """Return the error that says what is wrong with the file."""
        return InputError(f"{self.path}: cannot be read as annotations of COCO: {why}")

    def images(self) -> dict[int, tuple[Path, tuple[int, int]]]:
        """Return (file, (height, width)) of every image by its number."""
        about: dict[int, tuple[Path, tuple[int, int]]] = {}
        for place, each in enumerate(self._images):
            try:
                number, path = integer(each["id"]), self._named(each["file_name"])
                about[number] = path, (integer(each["height"]), integer(each["width"]))
            except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise self.wrong(f"image {place}: {type(error).__name__}: {error}") from None
        if len(about) < len(self._images):
            raise self.wrong("two images have one number")
        return about

    def annotations(
        self, images: Mapping[int, Any], read: Callable[[int, int, Mapping[str, Any]], _T]
    ) -> Iterator[_T]:
        """Yield what is read of every annotation.

        Args:
            images: those that there are, by number.
            read: (number of the image, number of the category, the annotation) -> what is wanted;
                it raises what Python does about values that are none.
        """
        seen: dict[int, int] = {}
        for place, each in enumerate(self._annotations):
            try:
                if "id" in each and seen.setdefault(integer(each["id"]), place) != place:
                    raise ValueError(
                        f"id {each['id']} is one that annotation {seen[each['id']]} has before"
                    )
                number, category = integer(each["image_id"]), integer(each["category_id"])
                if number not in images or category not in self.categories:
                    raise ValueError(
                        f"image_id {number} or category_id {category} is none of the file's"
                    )
                found = read(number, category, each)
            except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise self.wrong(f"annotation {place}: {type(error).__name__}: {error}") from None
            yield found

    def _named(self, name: Any) -> Path:
        if not isinstance(name, str) or not name or Path(name).name != name or name[0] == ".":
            raise ValueError(f"the file name {name!r} is not one in {self._folder.name}")
        return self._folder / name


def is_crowd(each: Mapping[str, Any]) -> bool:
    """Return whether an annotation is of many objects at once."""
    crowd = each.get("iscrowd", 0)
    if not isinstance(crowd, int) or crowd not in (0, 1):
        raise ValueError(f"iscrowd is {crowd!r}; expected 0 or 1, without quotes")
    return bool(crowd)


def _list(found: Any, name: str) -> list[Any]:
    value = found[name]
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is {reprlib.repr(value)}; expected a list")
    return value


def text(value: Any) -> str:
    """Return a name, which must be one."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no name; expected one in quotes")
    return value


def integer(value: Any) -> int:
    """Return an integer, which must be one."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no integer")
    return value


def real(value: Any) -> float:
    """Return a number, which must be one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return float(value)
