"""Folders of images: a folder per class, alone or in `train`, `val` and `test`.

Everything under a class's folder counts for the class, at any depth, as in torchvision's
ImageFolder. What is left out is counted and said.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtickets.data.arrays import Raw, in_memory, labelled
from rtickets.data.images.pictures import is_image_name, read_header
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View
from rtickets.errors import InputError

_SPLITS = ("train", "val", "test")
_OTHER_SPLITS = {"training", "trainval", "valid", "validation", "testing", *_SPLITS}
_SHOWN = 5  # kinds of files that a line names


class ClassFolders(NamedTuple):
    """What lies in a folder of images.

    Attributes:
        files: by split, the images of every class.
        class_names: names of the classes.
        notes: what was left out, in lines.
    """

    files: dict[str, list[list[Path]]]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


class _LeftOut:
    """Counts what is left out, and what lies where one may not expect it."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.hidden = self.unreadable = self.again = self.outside = self.nested = 0

    def notes(self) -> tuple[str, ...]:
        """Return what there is to say."""
        kinds = [ending for ending, _ in self.kinds.most_common(_SHOWN)]
        more = ", ..." if len(self.kinds) > _SHOWN else ""
        parts = (
            (self.kinds.total(), f"of other kinds ({', '.join(kinds)}{more})"),
            (self.hidden, "hidden"),
            (self.unreadable, "no files (links to nothing, devices, pipes)"),
            (self.again, "links to folders that were read already"),
            (self.outside, "images outside of the classes' folders"),
        )
        left_out = ", ".join(f"{count:,} {what}" for count, what in parts if count)
        notes = [f"left out: {left_out}"] if left_out else []
        if self.nested:
            notes.append(f"{self.nested:,} images lie in folders within those of the classes")
        return tuple(notes)


def read_folder(folder: Path, view: View, workers: int | None = None) -> Raw:
    """Read a folder as `stream_folder` lists it into memory, in grey if all its images are.

    Args:
        view: how images become arrays; training images as others.
        workers: threads that decode, or None.

    Raises:
        InputError: as `list_folder`, and for an unreadable image or different sizes.
    """
    listing = list_folder(folder)
    paths = (path for split in listing.files.values() for paths in split for path in paths)
    headers = [read_header(path) for path in paths]
    channels = 1 if all(header.grey for header in headers) else 3
    odd = (
        (sum(header.turned for header in headers), "ask to be turned (EXIF) and are not"),
        (sum(header.animated for header in headers), "hold several pictures; the first counts"),
    )
    notes = tuple(f"{count:,} images {what}" for count, what in odd if count)
    listing = listing._replace(notes=listing.notes + notes)
    return in_memory(_streamed(folder, listing, view._replace(channels=channels), workers))


def stream_folder(folder: Path, view: View, workers: int | None) -> Raw:
    """Return the images of a folder, see `list_folder`, left on disk for threads to decode.

    Raises:
        InputError: as `list_folder`, and for splits of different sizes.
    """
    return _streamed(folder, list_folder(folder), view, workers)


def _streamed(folder: Path, listing: ClassFolders, view: View, workers: int | None) -> Raw:
    splits = {}
    for name, files in listing.files.items():
        labels = np.repeat(np.arange(len(files), dtype=np.int32), [len(paths) for paths in files])
        paths = tuple(path for paths in files for path in paths)
        splits[name] = labelled(streamed(ImageFiles(paths), view, workers), labels)
    sizes = sorted({split.images.shape[1:3] for split in splits.values()})
    if len(sizes) > 1:
        raise InputError(
            f"{folder}: images differ in size, {sizes[0]} and {sizes[-1]}; set data.image_size"
        )
    return Raw(
        splits["train"], splits.get("test"), listing.class_names, splits.get("val"),
        notes=listing.notes,
    )  # fmt: skip


def list_folder(folder: Path) -> ClassFolders:
    """List a folder of class folders, or one with `train`, and maybe `val` and `test`, of them.

    Classes are the folders of the training split in alphabetical order.

    Raises:
        InputError: for a missing or empty class folder, one of a class that is not trained on, or
            another split.
    """
    left_out = _LeftOut()
    parts = _split_folders(folder, left_out)
    class_names = tuple(part.name for part in _folders(parts["train"]))
    if len(class_names) < 2:
        raise InputError(f"{parts['train']}: expected a folder per class, found {len(class_names)}")
    files = {}
    for name, part in parts.items():
        if strange := {one.name for one in _folders(part)} - set(class_names):
            raise InputError(f"{part / min(strange)}: is no class of {parts['train']}")
        left_out.outside += sum(map(_is_image, part.iterdir()))
        files[name] = [_images_of(part / class_name, left_out) for class_name in class_names]
    return ClassFolders(files, class_names, left_out.notes())


def _split_folders(folder: Path, left_out: _LeftOut) -> dict[str, Path]:
    """Return the folders of the splits; without `train` the folder itself is that."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    top = _folders(folder)
    with_folders = {part.name for part in top if _folders(part)}
    if not (folder / "train").is_dir():
        if found := sorted(name for name in with_folders if name.lower() in _OTHER_SPLITS):
            raise InputError(
                f"{folder}: has {' and '.join(found)}, but no folder train; splits are called "
                "train, val and test"
            )
        return {"train": folder}
    if others := with_folders - set(_SPLITS):
        raise InputError(
            f"{folder / min(others)}: is none of train, val and test; rename or move it"
        )
    beside = (one for part in top if part.name not in _SPLITS for one in part.iterdir())
    left_out.outside += sum(map(_is_image, (*folder.iterdir(), *beside)))
    return {name: folder / name for name in _SPLITS if (folder / name).is_dir()}


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, but hidden ones."""
    with os.scandir(folder) as entries:
        found = [one.name for one in entries if _is(one, "folder")]
    return [folder / name for name in sorted(found) if not name.startswith(".")]


def _is_image(path: Path) -> bool:
    return is_image_name(path) and not path.name.startswith(".") and path.is_file()


def _images_of(folder: Path, left_out: _LeftOut) -> list[Path]:
    """Return the images of a class."""
    files = sorted(_walk(folder, left_out)) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder}: class without images")
    left_out.nested += sum(path.parent != folder for path in files)
    return files


def _walk(folder: Path, left_out: _LeftOut) -> Iterable[Path]:
    """Yield the images in a folder and those in it; every folder once, whatever links to it."""
    waiting, seen = [folder], set()
    while waiting:
        current = waiting.pop()
        status = current.stat()  # of what a link leads to: links may lead round in circles
        if (status.st_dev, status.st_ino) in seen:
            left_out.again += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(current) as entries:
            for entry in entries:
                path = current / entry.name
                if entry.name.startswith("."):
                    left_out.hidden += 1
                elif _is(entry, "folder"):
                    waiting.append(path)
                elif not _is(entry, "file"):
                    left_out.unreadable += 1
                elif is_image_name(path):
                    yield path
                else:
                    left_out.kinds[path.suffix.lower() or "no ending"] += 1


def _is(entry: os.DirEntry[str], kind: str) -> bool:
    """Return whether an entry is, or links to, a folder or a file."""
    try:
        return entry.is_dir() if kind == "folder" else entry.is_file()
    except OSError:  # a link to itself, for instance
        return False
