"""Tensors that a checkpoint describes, read only when they are needed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError

# PyTorch's names of element types.
TORCH_DTYPES: dict[str, np.dtype] = {
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype(jnp.bfloat16),
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "uint8": np.dtype("<u1"),
    "bool": np.dtype(bool),
}
_MAX_RANK = 8


@dataclass(frozen=True)
class Storage:
    """A run of elements in a file.

    Attributes:
        key: its name in the file.
        dtype: name of its element type, a key of `TORCH_DTYPES`, or 'bytes' for one without.
        count: number of elements.
        start: first of them, where the storage is a part of a larger one.
    """

    key: str
    dtype: str
    count: int
    start: int = 0

    def __post_init__(self) -> None:
        if not _are_sizes(self.count, self.start):
            raise InputError(
                f"its storage {self.key} begins at {_shown(self.start)} and has "
                f"{_shown(self.count)} elements; the file is damaged"
            )

    def __setstate__(self, state: Any) -> NoReturn:
        raise TypeError("a pickle may not change a storage")


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage, as `numpy.asarray` can read it.

    Attributes:
        storage: where its elements lie.
        offset: position of its first element.
        shape: its shape.
        strides: steps along its axes, in elements.
        read: returns the bytes of a storage by its key.
        dtype_name: element type, a key of `TORCH_DTYPES`.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    read: Callable[[str], bytes]
    dtype_name: str

    def __post_init__(self) -> None:
        sound = _are_sizes(self.offset, *self.shape, *self.strides)
        sound = sound and len(self.shape) == len(self.strides) <= _MAX_RANK
        if (
            not sound
            or self.offset + self._span() > self.storage.count
            or math.prod(self.shape) > self.storage.count
        ):
            parts = (part[:_MAX_RANK] for part in (self.shape, self.strides))
            shape, strides = (", ".join(map(_shown, part)) for part in parts)
            raise InputError(
                f"holds a tensor of shape ({shape}) and strides ({strides}) that does not lie in "
                f"its storage of {self.storage.count} elements; the file is damaged"
            )

    def __setstate__(self, state: Any) -> NoReturn:
        raise TypeError("a pickle may not change a tensor")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.dtype_name not in TORCH_DTYPES:
            raise InputError(f"holds a tensor of {self.dtype_name}, which cannot be imported")
        kind = TORCH_DTYPES[self.dtype_name]
        data = self.read(self.storage.key)
        first = (self.storage.start + self.offset) * kind.itemsize
        last = first + self._span() * kind.itemsize
        if last > len(data):
            raise InputError(f"storage {self.storage.key} has {len(data)} bytes, expected {last}")
        flat = np.frombuffer(data[first:last], kind)
        steps = tuple(stride * kind.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False)
        return np.array(view, dtype, order="C")

    def _span(self) -> int:
        """Return the number of elements from the first to the last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))


def _are_sizes(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _shown(value: Any) -> str:
    """Return a value for a message; a file may hold anything in the place of a number."""
    return str(value) if type(value) is int and abs(value) < 1 << 63 else type(value).__name__


Tensor = np.ndarray | StoredTensor


def same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors hold the same values."""
    if isinstance(a, StoredTensor) and a == b:
        return True
    return a.shape == b.shape and np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
