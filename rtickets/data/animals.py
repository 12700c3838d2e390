"""Animal-MNIST: cut-outs of ten animals, as its package stores them.

The package keeps NumPy arrays in gzipped pickles. A pickle can run code, so only the three names
that rebuild an array are let through.
"""

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.arrays import Raw, checked_split
from rtickets.errors import InputError

_CLASSES = (
    "bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra",
)  # fmt: skip
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(1).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise InputError(f"refused to load {module}.{name} from a pickle of arrays")
        return _ALLOWED[module, name]


def read_animals(folder: Path) -> Raw:
    """Read the package's images and labels, without the exact duplicates.

    Args:
        folder: holds animal_{data,label}_version_3.gz.

    Returns:
        One split of 28x28 grey images; the first of equal images stays.

    Raises:
        InputError: if the files are damaged or hold anything but arrays.
    """
    images, labels = (
        _read_array(folder / f"animal_{kind}_version_3.gz") for kind in ("data", "label")
    )
    flat = images.reshape(len(images), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    keep = np.sort(first)
    split = checked_split(images[keep], labels[keep], len(_CLASSES), "animals")
    return Raw(split, None, _CLASSES)


def _read_array(path: Path) -> np.ndarray:
    try:
        with gzip.open(path) as file:
            array = _ArrayUnpickler(file).load()
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: holds a {type(array).__name__}, expected an array")
    return array
