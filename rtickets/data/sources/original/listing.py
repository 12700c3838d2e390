"""What readers of public data sets of photographs return: where images lie, and their labels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.images.pictures import LARGEST_FILE
from rtickets.data.limits import check_unpacked, size_of
from rtickets.errors import InputError

_LONGEST = 200  # bytes of a file's name


class Blob(NamedTuple):
    """The bytes of one image: a file, or a part of one.

    Attributes:
        path: the file.
        offset: where it begins.
        size: its length, None for the rest of the file.
    """

    path: Path
    offset: int = 0
    size: int | None = None

    def read(self) -> bytes:
        """Return the bytes."""
        if (size_of(self.path) if self.size is None else self.size) > LARGEST_FILE:
            raise InputError(
                f"{self.path}: has more than {LARGEST_FILE:,} bytes, which is no image"
            )
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read() if self.size is None else file.read(self.size)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error}") from None
        if not data or (self.size is not None and len(data) != self.size):
            raise InputError(f"{self.path}: is cut off at byte {self.offset + len(data)}")
        return data


def check_apart(train: Iterable[str], test: Iterable[str], source: object) -> None:
    """Raise InputError where an image is in the list of training images and in that of tests.

    Args:
        train: what tells the images of a list apart, as their names.
        test: likewise.
        source: what errors call the two.
    """
    if shared := set(train) & set(test):
        raise InputError(
            f"{source}: {len(shared)} training images are test images as well, such as "
            f"{min(shared)}; leave them out of the training list"
        )


class SplitListing(NamedTuple):
    """The images of a split and their labels, int32 (N,)."""

    images: tuple[Blob, ...]
    labels: np.ndarray


class Listing(NamedTuple):
    """A data set of encoded images: class names, and its splits by name."""

    class_names: tuple[str, ...]
    splits: Mapping[str, SplitListing]


def find(root: Path, anchor: str) -> Path | None:
    """Return the folder in which a set lies, or None: `root`, or one up to three levels below.

    Args:
        anchor: relative path of a file or folder of the set, which the folder holds.
    """
    for pattern in (anchor, f"*/{anchor}", f"*/*/{anchor}", f"*/*/*/{anchor}"):
        found = sorted(root.glob(pattern))
        if found:
            return Path(*found[0].parts[: -len(Path(anchor).parts)])
    return None


def locate(root: Path, anchor: str) -> Path:
    """Return what `find` does; raise InputError, naming what was looked for, if there is none."""
    folder = find(root, anchor)
    if folder is None:
        raise InputError(f"{root}: has no {anchor}, neither there nor in the folders below")
    return folder


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list file in UTF-8 that are not empty or comments, at least one."""
    try:
        size_of(path)
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    kept = [line for line in lines if line and not line.startswith("#")]
    if not kept:
        raise InputError(f"{path}: lists nothing")
    return kept


def read_names(path: Path) -> list[str]:
    """Return the lines of a list of file names without endings, see `read_lines`.

    Raises:
        InputError: naming the first that would lie in another folder, or that no file can have.
    """
    names = read_lines(path)
    for name in names:
        if set(name) & set("/\\\0") or name.startswith(".") or len(name.encode()) > _LONGEST:
            raise InputError(
                f"{path}: lists {name[:_LONGEST]!r}; expected the name of a file, without its "
                "folder and its ending; mend the list or get it again"
            )
    return names


def inside(folder: Path, name: str, source: Path) -> Path:
    """Return a file in a folder or below it, by the name that a list has of it.

    Args:
        source: the list, for errors.

    Raises:
        InputError: for a name that leads elsewhere, or that no file can have.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise InputError(
            f"{source}: lists {name[:_LONGEST]!r}, which is not in {folder.name}; mend the list or "
            "get it again"
        )
    return folder / path


def read_mat(path: Path, *names: str) -> list[Any]:
    """Return variables of a MATLAB file, axes of length 1 left out."""
    from scipy.io import loadmat, whosmat

    packed = size_of(path)
    try:
        entries = sum(math.prod(shape) for _, shape, _ in whosmat(path))
        check_unpacked(entries, packed, path)  # of a byte at least
        found = loadmat(path, squeeze_me=True, struct_as_record=True)
    except InputError:
        raise
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read as a MATLAB file: {error}") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: has no variable {', '.join(missing)}")
    return [np.atleast_1d(found[name]) for name in names]


def examples(files: Iterable[tuple[Path, int]], classes: int, source: Path) -> SplitListing:
    """Check the images and labels of a split.

    Args:
        files: (image, label) pairs.
        source: the list they come from, for errors.
    """
    blobs, labels = [], []
    for path, label in files:
        if not 0 <= label < classes:
            raise InputError(f"{source}: {path.name} has class {label}; expected [0, {classes})")
        if not path.is_file():
            raise InputError(f"{source}: lists {path}, which does not exist")
        blobs.append(Blob(path))
        labels.append(label)
    if not blobs:
        raise InputError(f"{source}: lists no images")
    return SplitListing(tuple(blobs), np.asarray(labels, np.int32))


def index_of(name: str, class_names: Sequence[str], source: Path) -> int:
    """Return the label of a class name; `source` is the list that has it, for errors."""
    try:
        return class_names.index(name)
    except ValueError:
        raise InputError(f"{source}: has the unknown class {name!r}") from None
