"""Numbers as they are ranked: real, and none of them rounded to another."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError


def modulus(path: str, values: Any) -> np.ndarray:
    """Return absolute values.

    Args:
        path: what to call the values in an error.
        values: array of floating, complex or integer numbers.

    Returns:
        float32 of what fits in there, else float64.

    Raises:
        InputError: for anything else.
    """
    values = np.asarray(values)
    if np.iscomplexobj(values):
        return np.abs(values.astype(np.complex128))
    return np.abs(real(path, values))


def real(path: str, values: Any) -> np.ndarray:
    """Return real numbers as they are.

    Args:
        path: what to call the values in an error.
        values: array of floating numbers or integers.

    Returns:
        float32 of what fits in there, else float64.

    Raises:
        InputError: for anything else.
    """
    values = np.asarray(values)
    if jnp.issubdtype(values.dtype, jnp.floating):
        return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if jnp.issubdtype(values.dtype, jnp.integer):
        return values.astype(np.float64)
    raise InputError(f"{path} is {values.dtype}, which has no order; real numbers are ranked")
