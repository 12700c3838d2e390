"""CIFAR and SVHN: images of 32x32 pixels as arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.arrays import Raw, Split, checked_split, labelled
from rtickets.data.limits import opened, size_of
from rtickets.data.sources import array_pickles
from rtickets.data.sources.original.listing import find, locate, read_lines, read_mat
from rtickets.errors import InputError

_PIXELS = 3 * 32 * 32


def read_cifar10(root: Path) -> Raw:
    """Read CIFAR-10 (Krizhevsky 2009), its Python or its binary version: 50,000 + 10,000 images.

    Args:
        root: holds cifar-10-batches-py or cifar-10-batches-bin, or their files.
    """
    numbers = range(1, 6)
    if folder := find(root, "data_batch_1.bin"):
        names = tuple(read_lines(folder / "batches.meta.txt"))
        parts = [_binary(folder / f"data_batch_{i}.bin", 1) for i in numbers]
        return _raw(names, parts, [_binary(folder / "test_batch.bin", 1)], folder)
    folder = locate(root, "data_batch_1")
    names = _names(folder / "batches.meta", b"label_names")
    parts = [_pickled(folder / f"data_batch_{i}", b"labels") for i in numbers]
    return _raw(names, parts, [_pickled(folder / "test_batch", b"labels")], folder)


def read_cifar100(root: Path) -> Raw:
    """Read CIFAR-100 (Krizhevsky 2009) with its fine labels, its Python or its binary version.

    Args:
        root: holds cifar-100-python or cifar-100-binary, or their files.
    """
    if folder := find(root, "fine_label_names.txt"):
        names = tuple(read_lines(folder / "fine_label_names.txt"))
        return _raw(
            names, [_binary(folder / "train.bin", 2)], [_binary(folder / "test.bin", 2)], folder
        )
    folder = locate(root, "meta")
    names = _names(folder / "meta", b"fine_label_names")
    train, test = (_pickled(folder / part, b"fine_labels") for part in ("train", "test"))
    return _raw(names, [train], [test], folder)


def read_svhn(root: Path) -> Raw:
    """Read the cropped digits of SVHN (Netzer et al. 2011), without its extra images.

    Args:
        root: holds train_32x32.mat (73,257 images) and test_32x32.mat (26,032), in which the label
            10 is the digit 0.
    """
    names = tuple(str(digit) for digit in range(10))
    folder = locate(root, "train_32x32.mat")
    splits = []
    for part in ("train", "test"):
        path = folder / f"{part}_32x32.mat"
        images, labels = read_mat(path, "X", "y")
        if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or labels.ndim != 1:
            raise InputError(f"{path}: X has shape {images.shape}; expected (32, 32, 3, N)")
        digits = np.where(labels == 10, 0, labels).astype(np.int32)
        splits.append(checked_split(images.transpose(3, 0, 1, 2), digits, 10, str(path)))
    return Raw(splits[0], splits[1], names)


def _raw(
    names: tuple[str, ...], train: Sequence[Split], test: Sequence[Split], folder: Path
) -> Raw:
    splits = [
        checked_split(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
            len(names),
            f"{folder}: {name}",
        )
        for name, parts in (("training images", train), ("test images", test))
    ]
    return Raw(splits[0], splits[1], names)


def _binary(path: Path, label_bytes: int) -> Split:
    """Read records of labels, of which the last counts, and pixels, channel after channel."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not data.size or data.size % (label_bytes + _PIXELS):
        raise InputError(
            f"{path}: has {data.size} bytes, not a multiple of {label_bytes + _PIXELS}"
        )
    records = data.reshape(-1, label_bytes + _PIXELS)
    return labelled(_pixels(records[:, label_bytes:]), records[:, label_bytes - 1].astype(np.int32))


def _pickled(path: Path, label_key: bytes) -> Split:
    batch = _unpickled(path)
    data, labels = batch.get(b"data"), batch.get(label_key)
    if (
        not isinstance(data, np.ndarray)
        or (data.dtype, data.shape[1:]) != (np.uint8, (_PIXELS,))
        or not isinstance(labels, list)
        or not all(type(label) is int and 0 <= label < 256 for label in labels)
    ):
        raise InputError(
            f"{path}: lacks uint8 data (N, {_PIXELS}) or {label_key.decode()} of that kind"
        )
    if len(labels) != len(data):
        raise InputError(f"{path}: has {len(data)} images and {len(labels)} labels")
    return labelled(_pixels(data), np.asarray(labels, np.int32))


def _names(path: Path, key: bytes) -> tuple[str, ...]:
    names = _unpickled(path).get(key)
    if not isinstance(names, list) or not names or not all(type(n) in (bytes, str) for n in names):
        raise InputError(f"{path}: lacks {key.decode()}, a list of text")
    return tuple(name.decode() if isinstance(name, bytes) else name for name in names)


def _unpickled(path: Path) -> dict[Any, Any]:
    try:
        with opened(path) as file:
            found = array_pickles.load(file, size_of(path))
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a {type(found).__name__}, expected a dictionary")
    return {k.encode() if isinstance(k, str) else k: value for k, value in found.items()}


def _pixels(flat: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
