"""Readers of data that lies on disk as arrays: IDX and npz."""

import math
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile

from rtickets.data.arrays import Raw, checked_split
from rtickets.data.checks import some
from rtickets.data.limits import check_unpacked, check_zip, opened, size_of
from rtickets.errors import InputError

_MOST_AXES = 8
_OF_NPZ = ("x_train", "y_train", "x_test", "y_test", "class_names")


def existing(path: str | None, source: str, hint: str) -> Path:
    """Return the path of a source; raise InputError with the hint if nothing lies there."""
    if path is None:
        raise InputError(f"source={source!r} needs data.path: {hint}")
    if not Path(path).exists():
        raise InputError(f"data.path={path!r} does not exist; expected {hint}")
    return Path(path)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes (the format of MNIST), gzipped or not, in its shape."""
    packed = size_of(path)
    with opened(path) as file:
        shape = _idx_shape(path, file)
        count = math.prod(shape)
        # A header may promise any size, and a small gzip unpack to it.
        if path.suffix == ".gz":
            check_unpacked(count, packed, path)
        data = file.read(count if path.suffix == ".gz" else min(count, packed))
        more = len(file.read(1))
    if len(data) != count or more:
        found = f"{len(data)} bytes and more" if more else f"{len(data)} bytes"
        raise InputError(f"{path}: holds {found}, its header says {shape}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _idx_shape(path: Path, file: BinaryIO) -> tuple[int, ...]:
    start = file.read(4)
    if len(start) < 4 or start[:3] != b"\x00\x00\x08":
        raise InputError(f"{path}: not an IDX file of unsigned bytes")
    axes = start[3]
    if axes > _MOST_AXES:
        raise InputError(f"{path}: has {axes} axes; expected 3 of images, or 1 of labels")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise InputError(f"{path}: cut off within its header")
    return struct.unpack(f">{axes}I", sizes)


def read_idx_folder(folder: Path, class_names: tuple[str, ...] | None = None) -> Raw:
    """Read the four IDX files of an MNIST-like set, both splits.

    Args:
        folder: holds {train,t10k}-{images-idx3,labels-idx1}-ubyte, gzipped or not.
        class_names: one name per class; None numbers them.
    """
    arrays: dict[str, np.ndarray] = {}
    if class_names is not None:
        arrays["class_names"] = np.array(class_names)
    for part, split in (("train", "train"), ("t10k", "test")):
        for kind, array in (("images-idx3", "x"), ("labels-idx1", "y")):
            name = f"{part}-{kind}-ubyte"
            found = [p for p in (folder / f"{name}.gz", folder / name) if p.is_file()]
            if not found:
                raise InputError(f"{folder}: has neither {name}.gz nor {name}")
            arrays[f"{array}_{split}"] = read_idx(found[0])
    return raw_from_arrays(arrays, str(folder))


def read_npz(path: Path) -> Raw:
    """Read x_train, y_train and, if there, x_test, y_test and class_names from an .npz file.

    Pickled arrays are refused.
    """
    try:
        check_zip(path)
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            _check_names(archive.files, str(path))
            twice = sorted(
                {one for one in archive.files if archive.files.count(one) > 1 and one in _OF_NPZ}
            )
            if twice:
                raise InputError(f"{path}: holds {some(twice)} more than once")
            arrays = {name: archive[name] for name in archive.files if name in _OF_NPZ}
            others = sorted(set(archive.files) - arrays.keys())
    except InputError:
        raise
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read as .npz: {error}") from None
    raw = raw_from_arrays(arrays, str(path))
    return raw._replace(notes=(f"arrays that are not read: {some(others)}",)) if others else raw


def raw_from_arrays(arrays: Mapping[str, np.ndarray], name: str) -> Raw:
    """Return the checked arrays x_train, y_train, x_test, y_test, class_names of a set."""
    _check_names(arrays, name)
    class_names = _class_names(arrays, name)
    train = checked_split(arrays["x_train"], arrays["y_train"], len(class_names), f"{name}: train")
    test = None
    if "x_test" in arrays:
        test = checked_split(arrays["x_test"], arrays["y_test"], len(class_names), f"{name}: test")
        if test.images.shape[1:] != train.images.shape[1:]:
            raise InputError(
                f"{name}: test images are {test.images.shape[1:]}, training images "
                f"{train.images.shape[1:]}"
            )
    return Raw(train, test, class_names)


def _check_names(names: Collection[str], name: str) -> None:
    missing = {"x_train", "y_train"} - set(names)
    if missing or ("x_test" in names) != ("y_test" in names):
        raise InputError(
            f"{name}: has {', '.join(sorted(names)) or 'nothing'}; expected x_train, y_train and, "
            "optionally, both of x_test, y_test"
        )


def _class_names(arrays: Mapping[str, np.ndarray], name: str) -> tuple[str, ...]:
    """Return the names of the classes, numbers where there are none."""
    labels = arrays["y_train"]
    if "class_names" in arrays:
        names = _texts(arrays["class_names"], name)
        count = len(names)
    else:
        count = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 1
    if count > max(labels.size, 1):
        raise InputError(
            f"{name}: {labels.size:,} training labels cannot be of {count:,} classes; expected "
            "labels 0, 1, ... with an example of every class"
        )
    return names if "class_names" in arrays else tuple(map(str, range(count)))


def _texts(names: np.ndarray, name: str) -> tuple[str, ...]:
    """Return the texts of an array of names; bytes are UTF-8, numbers count as they are written."""
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        found = f"{names.dtype} of shape {names.shape}"
        raise InputError(f"{name}: class_names are {found}; expected texts of shape (classes,)")
    try:
        return tuple(one.decode() if isinstance(one, bytes) else str(one) for one in names.tolist())
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: class_names are bytes, and no UTF-8: {error}") from None
