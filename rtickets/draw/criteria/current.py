"""Scores are of functions as they are now, whatever was compiled of them before."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.stale_jit import why_unlike
from rtickets.platform.programs import digest_of, has_own_jit, rounding_in, trace


def program_of(what: str, function: Callable[..., Array], weights: Any, *fixed: Any) -> str:
    """Return a digest that the compiled program of (weights, *fixed) -> scalar is found by.

    `what` says in a word what the function is; see `rtickets.platform.programs`.

    Raises:
        InputError: if the function has a `jax.jit` of its own, which keeps what has changed.
    """
    program = trace(function, weights, *fixed)
    if not has_own_jit(program):
        return digest_of(program)

    def gradient() -> np.ndarray:
        found = jax.tree.leaves(jax.grad(function)(weights, *fixed))
        return np.asarray(jnp.concatenate([jnp.ravel(jnp.abs(leaf)) for leaf in found]))[None]

    if why := why_unlike(what, gradient(), gradient, rounding_in(program)):
        warnings.warn(why, stacklevel=4)
    return digest_of(program)
