"""Dropout and stochastic depth with one key per example."""

import jax
import jax.numpy as jnp
from jax import Array


def layer_keys(keys: Array, layer: int) -> Array:
    """Return the keys of a layer, (B,), so that layers draw for themselves.

    Args:
        keys: PRNG keys (B,), those that the network was given.
        layer: a number of its own for every layer that draws.

    Returns:
        PRNG keys (B,).
    """
    return jax.vmap(lambda key: jax.random.fold_in(key, layer))(keys)


def dropout(x: Array, keys: Array | None, rate: float) -> Array:
    """Set features to zero at random and scale the others up (Srivastava et al. 2014).

    Args:
        x: (B, ...).
        keys: PRNG keys (B,), or None to leave `x` as it is.
        rate: part of the features to drop, in [0, 1).

    Returns:
        An array like `x` with the same mean over draws.
    """
    return _drop(x, keys, rate, x.shape[1:])


def drop_path(x: Array, keys: Array | None, rate: float) -> Array:
    """Set a branch to zero at random, whole examples at a time (Huang et al. 2016).

    Args:
        x: output of a residual branch, (B, ...).
        keys: see `dropout`.
        rate: part of the examples to drop, in [0, 1).

    Returns:
        An array like `x` with the same mean over draws.
    """
    return _drop(x, keys, rate, (1,) * (x.ndim - 1))


def _drop(x: Array, keys: Array | None, rate: float, shape: tuple[int, ...]) -> Array:
    if keys is None or not rate:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, shape))(keys)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)
