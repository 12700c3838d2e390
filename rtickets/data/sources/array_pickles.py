"""Arrays out of pickles, without running what a pickle says.

The names that rebuild an array are replaced by one that records what it is given. NumPy's own would
trust a forged state, and a forged dtype corrupts memory.
"""

import re
from typing import IO, Any

import numpy as np

from rtickets.errors import InputError
from rtickets.storage import pickles
from rtickets.storage.pickles import Known

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")


class _Recorded:
    """Stands for an array or a dtype: what it would be made from."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array that was recorded."""
        _, shape, dtype, fortran, data = self.state
        order, code = _text(dtype.state[1]), _text(dtype.arguments[0])
        if not re.fullmatch(r"[<>|][iuf][1248]", order + code):
            raise InputError(f"holds an array of {order}{code}, expected numbers")
        flat = np.frombuffer(_bytes(data), order + code)
        return flat.reshape(shape, order="F" if fortran else "C")


def _known() -> dict[str, Known]:
    names = [f"{module}.{name}" for module in _MODULES for name in ("_reconstruct", "dtype")]
    return {
        **{name: Known(name, _Recorded) for name in names},
        **{f"{module}.ndarray": Known(f"{module}.ndarray") for module in _MODULES},
        "_codecs.encode": Known("_codecs.encode", lambda text, _: text.encode("latin-1")),
    }


def load(file: IO[bytes], size: int) -> Any:
    """Read a pickle of numbers, text, lists, dictionaries and arrays of numbers, of `size` bytes.

    Returns:
        The value; it is an array, or a dictionary that holds arrays, or none. Nothing is known
        about what lies in lists.

    Raises:
        InputError: if the pickle is damaged, hostile, or holds arrays of anything but numbers.
        Exception: whatever a forged array makes NumPy trip over.
    """
    value = pickles.read(file, _known(), _no_persistent, most=size, strict=True).value
    if isinstance(value, dict):
        return {key: _finished(part) for key, part in value.items()}
    return _finished(value)


def _finished(value: Any) -> Any:
    return value.array() if isinstance(value, _Recorded) else value


def _no_persistent(pid: Any) -> Any:
    raise InputError("its pickle refers to something outside of it")


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    """Return the bytes of a string; those of Python 2 come as text."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
