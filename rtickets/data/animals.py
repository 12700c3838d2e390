"""Animal-MNIST: cut-outs of ten animals, as its package stores them.

The package keeps NumPy arrays in gzipped pickles. A pickle can run code, so nothing is called: the
three names that rebuild an array are replaced by one that records what it is given. NumPy's own
would trust a forged state, and a forged dtype corrupts memory.
"""

import gzip
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.data.arrays import Raw, checked_split
from rtickets.errors import InputError

_CLASSES = (
    "bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra",
)  # fmt: skip
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _Recorded:
    """Stands for an array or a dtype: what it would be made from."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array of a recorded array."""
        _, shape, dtype, fortran, data = self.state
        kind = f"{dtype.state[1]}{dtype.arguments[0]}"
        if not re.fullmatch(r"[<>|][iuf][1248]", kind):
            raise InputError(f"holds an array of {kind}, expected numbers")
        return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Recorded]:
        if (module, name) not in _ALLOWED:
            raise InputError(f"refused to load {module}.{name} from a pickle of arrays")
        return _Recorded


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
    split = checked_split(images, labels, len(_CLASSES), "animals")
    flat = split.images.reshape(len(split), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    return Raw(split.take(np.sort(first)), None, _CLASSES)


def _read_array(path: Path) -> np.ndarray:
    try:
        with gzip.open(path) as file:
            recorded = _ArrayUnpickler(file).load()
        if not isinstance(recorded, _Recorded):
            raise InputError(f"holds a {type(recorded).__name__}, expected an array")
        return recorded.array()
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read: {error}") from None
