"""Arguments of other kinds than a function can use: each is one line that names the value."""

import operator
from typing import Any

import numpy as np

from rtickets.errors import InputError


def check_integer(name: str, value: Any, low: int) -> int:
    """Return an integer of at least `low`; what is none, such as 2.0 or True, is refused."""
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None or found < low:
        raise InputError(f"{name}={value!r} must be an integer of at least {low}")
    return found


def check_share(name: str, value: Any, hint: str = "", *, closed: bool = False) -> None:
    """Refuse what is no number in [0, 1), or in [0, 1] if `closed`."""
    number = isinstance(value, int | float | np.number) or (
        hasattr(value, "dtype") and np.ndim(value) == 0
    )
    try:
        inside = number and bool(0 <= value < 1 or (closed and value == 1))
    except Exception:  # complex numbers, and those that are being traced
        inside = False
    if not inside:
        interval = "[0, 1]" if closed else "[0, 1)"
        raise InputError(f"{name}={value!r} is outside {interval}{hint}")


def check_text(name: str, value: Any) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise InputError(f"{name}={value!r} is {type(value).__name__}; expected text")
