"""Readers of data that lies on disk as arrays: IDX and npz."""

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from rtickets.data.arrays import Raw, checked_split
from rtickets.errors import InputError


def existing(path: str | None, source: str, hint: str) -> Path:
    """Return the path of a source.

    Raises:
        InputError: with the hint, if there is none or nothing lies there.
    """
    if path is None:
        raise InputError(f"source={source!r} needs data.path: {hint}")
    if not Path(path).exists():
        raise InputError(f"data.path={path!r} does not exist; expected {hint}")
    return Path(path)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes (the format of MNIST), gzipped or not.

    Args:
        path: the file.

    Returns:
        uint8 array of the shape in the header.

    Raises:
        InputError: for a damaged file or another element type.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise InputError(f"{path}: not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise InputError(f"{path}: cut off within its header")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise InputError(f"{path}: holds {len(data) - start} bytes, its header says {shape}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_idx_folder(folder: Path, class_names: tuple[str, ...] | None = None) -> Raw:
    """Read the four IDX files of an MNIST-like set.

    Args:
        folder: holds {train,t10k}-{images-idx3,labels-idx1}-ubyte, gzipped or not.
        class_names: one name per class; None numbers them.

    Returns:
        Both splits.

    Raises:
        InputError: for a missing or broken file.
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

    Args:
        path: the file; pickled arrays are refused.

    Returns:
        The splits.

    Raises:
        InputError: for a damaged file or missing arrays.
    """
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read as .npz: {error}") from None
    return raw_from_arrays(arrays, str(path))


def raw_from_arrays(arrays: Mapping[str, np.ndarray], name: str) -> Raw:
    """Check the arrays x_train, y_train, x_test, y_test, class_names of a set.

    Raises:
        InputError: if training images or labels are missing, or anything is malformed.
    """
    missing = [key for key in ("x_train", "y_train") if key not in arrays]
    if missing or ("x_test" in arrays) != ("y_test" in arrays):
        raise InputError(
            f"{name}: has {', '.join(sorted(arrays)) or 'nothing'}; expected x_train, y_train and, "
            "optionally, both of x_test, y_test"
        )
    if "class_names" in arrays:
        class_names = tuple(str(c) for c in np.ravel(arrays["class_names"]))
    else:
        labels = arrays["y_train"]
        count = int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 1
        class_names = tuple(str(c) for c in range(count))
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
