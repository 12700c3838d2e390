"""Gradients with entries that are not finite: taken as 0, and never without a word."""

import warnings

import jax
import jax.numpy as jnp
from jax import Array


def only_finite(gradient: Array) -> tuple[Array, Array]:
    """Return a gradient (B, ...) with 0 for entries that are not finite, and (B,) where.

    A few broken entries, of pixels where a root or a norm is zero, leave the others of use.
    """
    finite = jnp.isfinite(gradient)
    broken = ~finite.all(tuple(range(1, gradient.ndim)))
    return jnp.where(finite, gradient, 0), broken


def warn_of_broken(broken: Array) -> None:
    """Warn if an attack met gradients (B,) that were not finite, unless they are being traced."""
    if isinstance(broken, jax.core.Tracer):
        return
    if count := int(broken.sum()):
        what = "these images look more robust than they are"
        warnings.warn(why_broken(count, len(broken), what), stacklevel=3)


def why_broken(count: int, total: int, what: str) -> str:
    """Return a line about gradients that were not finite: what follows, and where to look."""
    return (
        f"gradients of {count} of {total} images had entries that are not finite, which the attack "
        f"took as 0: {what}; look for roots, norms, logarithms and divisions at 0 in the model"
    )
