"""Boxes of Pascal VOC 2007 and 2012 (Everingham et al. 2010), from its folder VOCdevkit.

Annotations are XML. They may come from anybody, so those that declare a document type, with which
entities would come that multiply or name other files, are refused, as are large ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rtickets.data.limits import size_of
from rtickets.data.sources.original.box_listing import BoxListing, Pictured, check_there, pictured
from rtickets.data.sources.original.listing import check_apart, locate, read_names
from rtickets.data.sources.original.voc import VOC_CLASSES
from rtickets.errors import InputError

OBJECTS = VOC_CLASSES[1:]
"""The classes, without the ground."""
Parts = Mapping[str, tuple[tuple[str, str], ...]]
"""By split, lists in ImageSets/Main: (year's folder, name)."""
VOC2007: Parts = {"train": (("VOC2007", "trainval"),), "test": (("VOC2007", "test"),)}
VOC0712: Parts = {**VOC2007, "train": (("VOC2007", "trainval"), ("VOC2012", "trainval"))}

_LARGEST = 1 << 20  # bytes of an annotation


def read_voc_boxes(root: Path, parts: Parts = VOC0712) -> BoxListing:
    """List the images of VOC and read their boxes; difficult ones are marked.

    Pixels count from 1 there, and a box holds those at its sides, so that its continuous
    coordinates begin one less.

    Args:
        root: holds VOCdevkit, or its contents.
        parts: the lists.

    Raises:
        InputError: naming the file that is missing, damaged or hostile.
    """
    splits = {
        split: tuple(each for year, name in lists for each in _read_list(root, year, name))
        for split, lists in parts.items()
    }
    train, test = ([_year_and_name(each) for each in splits[part]] for part in ("train", "test"))
    check_apart(train, test, f"{root}: ImageSets/Main")
    return BoxListing(OBJECTS, splits)


def _year_and_name(image: Pictured) -> str:
    """Return what the same image is called in all archives of a year."""
    return f"{image.path.parents[1].name}/{image.path.name}"


def _read_list(root: Path, year: str, name: str) -> list[Pictured]:
    listed = f"ImageSets/Main/{name}.txt"
    folder = root if root.name == year else locate(root, f"{year}/{listed}") / year
    found = [_read_annotation(folder, name) for name in read_names(folder / listed)]
    check_there(found, folder / listed)
    return found


def _read_annotation(folder: Path, name: str) -> Pictured:
    path = folder / "Annotations" / f"{name}.xml"
    root = read_xml(path)
    width, height = (_whole(root, f"size/{side}", path) for side in ("width", "height"))
    found = []
    for each in root.findall("object"):
        label = (each.findtext("name") or "").strip()
        if label not in OBJECTS:
            raise InputError(f"{path}: has the unknown class {label!r}")
        left, top, right, bottom = (
            _number(each, f"bndbox/{side}", path) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        difficult = (each.findtext("difficult") or "0").strip()
        if difficult not in ("0", "1"):
            raise InputError(f"{path}: <difficult> is {difficult!r}; expected 0 or 1, mend it")
        found.append(((top - 1, left - 1, bottom, right), OBJECTS.index(label), difficult == "1"))
    image = folder / "JPEGImages" / f"{name}.jpg"
    return pictured(image, (height, width), found, path)


def _number(element: ElementTree.Element, where: str, path: Path) -> float:
    text = element.findtext(where)
    try:
        return float(text or "")
    except ValueError:
        raise InputError(f"{path}: <{where}> is {text!r}; expected a number") from None


def _whole(element: ElementTree.Element, where: str, path: Path) -> int:
    found = _number(element, where, path)
    if not found.is_integer():  # nor are infinities and what is no number
        raise InputError(
            f"{path}: <{where}> is {element.findtext(where)!r}; expected a whole number of pixels, "
            "mend it"
        )
    return int(found)


class _Plain(ElementTree.TreeBuilder):
    """Builds the tree of a document without a document type."""

    def doctype(self, *declared: Any) -> None:
        """Refuse, before anything that it declares is read."""
        raise ValueError(f"declares the document type {declared[0]!r}, which annotations do not")


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of a small XML file without a document type.

    Raises:
        InputError: naming the file, if it is missing, large, damaged, or declares one.
    """
    if size_of(path) > _LARGEST:
        raise InputError(f"{path}: has more than {_LARGEST:,} bytes, which is no annotation")
    parser = ElementTree.XMLParser(target=_Plain())
    try:
        parser.feed(path.read_bytes())
        found: ElementTree.Element = parser.close()
    except Exception as error:  # damage surfaces as whatever the parser trips over
        raise InputError(f"{path}: cannot be read as XML: {error}") from None
    return found
