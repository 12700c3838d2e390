"""Arrays out of pickles, without running what a pickle says.

A pickle can run code, so nothing is called: the names that rebuild an array are replaced by one
that records what it is given. NumPy's own would trust a forged state, and a forged dtype corrupts
memory.
"""

import pickle
import re
from gzip import GzipFile
from typing import Any, BinaryIO

import numpy as np

from rtickets.errors import InputError

_ALLOWED = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
    for name in ("_reconstruct", "ndarray", "dtype")
} | {("_codecs", "encode")}


class _Recorded:
    """Stands for an array or a dtype: what it would be made from."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def value(self) -> Any:
        """Return the array that was recorded, or the bytes of `_codecs.encode(text, 'latin1')`."""
        if self.state is None and len(self.arguments) == 2 and self.arguments[1] == "latin1":
            return self.arguments[0].encode("latin1")
        _, shape, dtype, fortran, data = self.state
        order, code = (_text(part) for part in (dtype.state[1], dtype.arguments[0]))
        if not re.fullmatch(r"[<>|][iuf][1248]", order + code):
            raise InputError(f"holds an array of {order}{code}, expected numbers")
        data = data.value() if isinstance(data, _Recorded) else data
        return np.frombuffer(data, order + code).reshape(shape, order="F" if fortran else "C")


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Recorded]:
        if (module, name) not in _ALLOWED:
            raise InputError(f"refused to load {module}.{name} from a pickle of arrays")
        return _Recorded


def load(file: BinaryIO | GzipFile) -> Any:
    """Read a pickle of numbers, text, lists, dictionaries and arrays of numbers.

    Args:
        file: the open file; text of Python 2 comes as bytes.

    Returns:
        The value; arrays may lie in containers.

    Raises:
        InputError: if it holds anything else.
        Exception: whatever a damaged file makes the decoder trip over.
    """
    return _finished(_ArrayUnpickler(file, encoding="bytes").load())


def _finished(value: Any) -> Any:
    if isinstance(value, _Recorded):
        return value.value()
    if isinstance(value, dict):
        return {_finished(key): _finished(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_finished(part) for part in value)
    return value


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)
