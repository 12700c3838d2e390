"""Reprs that fit on a line: arrays say their types and sizes instead of their values."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_LONGEST = 60  # characters of a value that is shown as it is


def short_repr(value: Any) -> str:
    """Return the class and the fields of a NamedTuple or dataclass, arrays as dtype[shape].

    It is a line of some hundred characters, whatever the instance holds.
    """
    names = getattr(value, "_fields", None) or [f.name for f in dataclasses.fields(value)]
    fields = ", ".join(f"{name}={_shown(getattr(value, name))}" for name in names)
    return f"{type(value).__name__}({fields})"


def with_short_repr(cls: type[T]) -> type[T]:
    """Give a NamedTuple or dataclass the repr of `short_repr`."""
    cls.__repr__ = short_repr  # type: ignore[method-assign]
    return cls


def _shown(value: Any) -> str:
    if _is_array(value):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if type(value).__repr__ is short_repr:
        return short_repr(value)
    arrays = [leaf for leaf in _leaves(value) if _is_array(leaf)]
    if arrays:
        numbers = sum(array.size for array in arrays)
        return f"<{len(arrays)} arrays, {numbers:,} numbers>"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "size")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
