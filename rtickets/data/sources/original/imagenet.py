"""ImageNet 2012 (Russakovsky et al. 2015), from its archives without unpacking them."""

import tarfile
import tempfile
from pathlib import Path

import numpy as np

from rtickets.data.archives import unpack
from rtickets.data.limits import size_of
from rtickets.data.sources.original.listing import (
    Blob,
    Listing,
    SplitListing,
    examples,
    read_lines,
    read_mat,
)
from rtickets.errors import InputError

_TRAIN, _VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_DEVKIT = "ILSVRC2012_devkit_t12"


def read_imagenet(root: Path) -> Listing:
    """Read the training images, and the official validation images for testing.

    Classes are in the order of their WordNet identifiers, like in all common libraries. Images in
    archives are parts of these files.

    Args:
        root: holds either the two archives of images and the unpacked or packed development kit, or
            the folders train/ and val/ with a folder per identifier.
    """
    if (root / "train").is_dir():
        return _from_folders(root)
    missing = [name for name in (_TRAIN, _VAL) if not (root / name).is_file()]
    if missing:
        raise InputError(
            f"{root}: has no {' and no '.join(missing)}, nor folders train/ and val/; get the "
            "archives from image-net.org"
        )
    train = _train_members(root / _TRAIN)
    names = tuple(sorted(train))
    blobs = tuple(blob for name in names for blob in train[name])
    labels = np.repeat(np.arange(len(names)), [len(train[name]) for name in names])
    return Listing(
        names,
        {"train": SplitListing(blobs, labels.astype(np.int32)), "test": _validation(root, names)},
    )


def _from_folders(root: Path) -> Listing:
    names = tuple(sorted(p.name for p in (root / "train").iterdir() if p.is_dir()))
    splits = {}
    for split, folder in (("train", "train"), ("test", "val")):
        files = [
            (path, label)
            for label, name in enumerate(names)
            for path in sorted((root / folder / name).glob("*.JPEG"))
        ]
        splits[split] = examples(files, len(names), root / folder)
    return Listing(names, splits)


def _train_members(path: Path) -> dict[str, list[Blob]]:
    """Return the images of every class: the archive holds one archive per class."""
    return {
        Path(inner.name).stem: [
            Blob(path, info.offset_data, info.size) for info in _members(path, inner.offset_data)
        ]
        for inner in _members(path)
    }


def _members(path: Path, start: int = 0) -> list[tarfile.TarInfo]:
    """Return the files in an archive that begins within a file, by name; offsets are the file's."""
    size = size_of(path)
    try:
        with path.open("rb") as file:
            file.seek(start)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                found = sorted((i for i in archive if i.isfile()), key=lambda info: info.name)
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{path}: cannot be read as an archive: {error}") from None
    for info in found:
        if info.issparse() or not 0 <= info.size <= size - info.offset_data:
            raise InputError(f"{path}: its member {info.name} does not lie in it; get it again")
    return found


def _validation(root: Path, names: tuple[str, ...]) -> SplitListing:
    """Return the validation images in the order of their numbers, with the kit's labels."""
    infos = _members(root / _VAL)
    numbers, identifiers = _ground_truth(root)
    if len(numbers) != len(infos):
        raise InputError(
            f"{root / _VAL}: has {len(infos)} images, the development kit {len(numbers)} labels"
        )
    unknown = {identifiers.get(number, str(number)) for number in numbers} - set(names)
    if unknown:
        raise InputError(f"{root / _TRAIN}: has no class {min(unknown)}")
    labels = np.array([names.index(identifiers[number]) for number in numbers], np.int32)
    blobs = tuple(Blob(root / _VAL, info.offset_data, info.size) for info in infos)
    return SplitListing(blobs, labels)


def _ground_truth(root: Path) -> tuple[list[int], dict[int, str]]:
    """Return the class numbers of the validation images, and the identifiers of these numbers."""
    data = root / _DEVKIT / "data"
    if not data.is_dir():
        archive = root / f"{_DEVKIT}.tar.gz"
        if not archive.is_file():
            raise InputError(f"{root}: has neither {archive.name} nor {_DEVKIT}/")
        with tempfile.TemporaryDirectory() as folder:
            unpack(archive, Path(folder))
            return _read_kit(Path(folder) / _DEVKIT / "data")
    return _read_kit(data)


def _read_kit(data: Path) -> tuple[list[int], dict[int, str]]:
    lines = read_lines(data / "ILSVRC2012_validation_ground_truth.txt")
    (synsets,) = read_mat(data / "meta.mat", "synsets")
    leaves = [row for row in synsets if int(row["num_children"]) == 0]
    identifiers = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
    return [int(line) for line in lines], identifiers
