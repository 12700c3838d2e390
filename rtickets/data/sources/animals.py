"""Animal-MNIST: cut-outs of ten animals, as its package stores them, arrays in gzipped pickles."""

from pathlib import Path

import numpy as np

from rtickets.data.arrays import Raw, checked_split
from rtickets.data.limits import gunzip
from rtickets.data.sources import array_pickles
from rtickets.errors import InputError

_CLASSES = (
    "bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra",
)  # fmt: skip


def read_animals(folder: Path) -> Raw:
    """Read the images and labels of animal_{data,label}_version_3.gz, without the exact duplicates.

    Returns:
        One split of 28x28 grey images; the first of equal images stays.
    """
    images, labels = (
        _read_array(folder / f"animal_{kind}_version_3.gz") for kind in ("data", "label")
    )
    split = checked_split(images, labels, len(_CLASSES), "animals")
    flat = np.asarray(split.images).reshape(len(split), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    return Raw(split.take(np.sort(first)), None, _CLASSES)  # in the order of the package


def _read_array(path: Path) -> np.ndarray:
    try:
        unpacked = gunzip(path)
        array = array_pickles.load(unpacked, unpacked.getbuffer().nbytes)
        if not isinstance(array, np.ndarray):
            raise InputError(f"holds a {type(array).__name__}, expected an array")
        return array
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read: {error}") from None
