"""Arrays as a file of safetensors and back, exactly, without executing anything."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from rtickets.errors import InputError

# The reader of safetensors.numpy lacks what NumPy has from JAX, though its writer does not.
_DTYPES = {
    "BOOL": np.dtype(bool),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "F8_E4M3": np.dtype(jnp.float8_e4m3fn),
    "F8_E5M2": np.dtype(jnp.float8_e5m2),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(jnp.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
}

_RESERVED = "__metadata__"


def to_array(name: str, value: Any) -> np.ndarray:
    """Return an array of NumPy or JAX, on any devices of this process, as it is stored.

    Returns:
        Its values in C order and the machine's byte order; `value` itself where it is that.

    Raises:
        InputError: by its name, for anything else, or a type that a file cannot hold.
    """
    if not isinstance(value, np.ndarray | np.generic | jax.Array) or np.ma.isMaskedArray(value):
        kind = type(value).__name__
        raise InputError(f"{name} is a {kind}; a ticket stores nested dictionaries of arrays")
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):
        raise InputError(
            f"{name} is {value.dtype}, a random state, which a ticket cannot store; leave it out, "
            "as nnx.state(model, nnx.Param) does"
        )
    try:
        array = np.asarray(value, order="C")
    except (RuntimeError, TypeError) as error:  # deleted, traced or on devices of other processes
        raise InputError(f"{name} cannot be read: {error}") from None
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in _DTYPES.values():
        raise InputError(f"{name} is {array.dtype}, which a ticket cannot store; convert it")
    return array


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the contents of a file of arrays that `to_array` returned, by name."""
    if _RESERVED in arrays:
        raise InputError(f"{_RESERVED!r} is a word of the file format; rename the leaf")
    try:
        return save(dict(arrays))
    except (SafetensorError, UnicodeEncodeError) as error:
        raise InputError(f"a ticket cannot store an array or its name: {error}") from None


def from_bytes(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays, by name, of a file of safetensors that may come from anywhere."""
    try:
        return {
            name: np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
            for name, tensor in deserialize(data)
        }
    except (SafetensorError, KeyError, ValueError) as error:  # or a shape that no array can have
        raise InputError(str(error)) from None


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are alike to the last bit, also where they are not numbers."""
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    return bool((_bits(a) == _bits(b)).all())  # as numbers, NaN equals nothing and -0 equals 0


def _bits(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, order="C").reshape(-1).view(np.uint8)
