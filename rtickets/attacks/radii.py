"""Radii and steps of attacks: what is refused before anything is computed.

Values are checked unless they are being traced. Every image of a `batch` may have a length of its
own; `shape` is that of one image, or None where it is not known.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.inputs import is_traced, refuse_masked
from rtickets.attacks.lengths import why_not_radius, why_not_step
from rtickets.attacks.projections import Norm
from rtickets.errors import InputError

Length = Array | np.ndarray | float


def check_length(length: Length, name: str = "eps", *, batch: int | None = None) -> Any:
    """Return the largest value of a length, or None where they are being traced.

    A length that is negative or not finite is refused, and so is the wrong number of them.
    """
    refuse_masked(length, name)
    if not is_traced(length):
        try:
            dtype = np.asarray(length).dtype
            if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer)):
                raise TypeError
            length = np.asarray(length, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{name}={length!r} is not a number; expected pixel units") from None
    shape = np.shape(length)
    if shape and shape != (batch,):
        several = "" if batch is None else f" or one per image ({batch},)"
        raise InputError(f"{name} has shape {shape}; expected one number{several}")
    if isinstance(length, jax.Array):
        return None
    if not ((length >= 0) & np.isfinite(length)).all():
        raise InputError(f"{name}={length} must be finite and at least 0, in pixel units")
    return float(np.max(length))


def check_count(count: Any, least: int, name: str) -> None:
    """Raise InputError unless a count is an integer and at least so large."""
    if not isinstance(count, int | np.integer):
        raise InputError(f"{name}={count!r} must be an integer")
    if count < least:
        raise InputError(f"{name}={count} must be at least {least}")


def check_radius(
    eps: Length, norm: Norm, shape: Sequence[int] | None = None, *, batch: int | None = None
) -> None:
    """Check a radius, which may not be certainly too large."""
    largest = check_length(eps, batch=batch)
    if largest is not None:
        _refuse(why_not_radius(largest, norm, shape))


def check_step(
    step_size: Length,
    eps: Length,
    norm: Norm,
    shape: Sequence[int] | None = None,
    *,
    batch: int | None = None,
) -> None:
    """Check the length of a step in a ball whose radius is checked already."""
    largest = check_length(step_size, "step_size", batch=batch)
    if largest is not None and not is_traced(eps):
        _refuse(why_not_step(largest, float(np.max(np.asarray(eps))), norm, shape))


def _refuse(why: str | None) -> None:
    if why:
        raise InputError(why)
