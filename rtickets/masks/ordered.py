"""Numbers as they are ranked: real, and none of them rounded to another."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.errors import InputError


def modulus(path: str, values: Any) -> np.ndarray:
    """Return absolute values of floating, complex or integer numbers, see `real`."""
    values = known(path, values)
    if np.iscomplexobj(values):
        return np.abs(values.astype(np.complex128))
    return np.abs(real(path, values))


def real(path: str, values: Any) -> np.ndarray:
    """Return real numbers as they are: float32 of what fits in there, else float64.

    Anything else has no order and is refused, by the path that errors call it.
    """
    values = known(path, values)
    if jnp.issubdtype(values.dtype, jnp.floating):
        return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if jnp.issubdtype(values.dtype, jnp.integer):
        return values.astype(np.float64)
    raise InputError(f"{path} is {values.dtype}, which has no order; real numbers are ranked")


def known(path: str, values: Any) -> np.ndarray:
    """Return values that can be looked at."""
    if np.ma.isMaskedArray(values):
        raise InputError(f"{path} is a masked array, which hides some of its values; fill it first")
    if isinstance(values, jax.core.Tracer):
        raise InputError(
            f"{path} is being traced by jax.jit or its like: masks are structure, so draw outside "
            "of it and pass the mask in"
        )
    return np.asarray(values)
