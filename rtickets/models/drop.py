"""Dropout and stochastic depth with one key per example; None instead of keys drops nothing."""

import jax
import jax.numpy as jnp
from jax import Array


def layer_keys(keys: Array | None, layer: int) -> Array | None:
    """Return the keys (B,) of a layer by a number of its own: layers draw for themselves."""
    if keys is None:
        return None
    return jax.vmap(lambda key: jax.random.fold_in(key, layer))(keys)


def dropout(x: Array, keys: Array | None, rate: float) -> Array:
    """Set features to zero at random and scale the others up (Srivastava et al. 2014)."""
    return _drop(x, keys, rate, x.shape[1:])


def drop_path(x: Array, keys: Array | None, rate: float) -> Array:
    """Set a branch (B, ...) to zero at random, whole examples at a time (Huang et al. 2016)."""
    return _drop(x, keys, rate, (1,) * (x.ndim - 1))


def _drop(x: Array, keys: Array | None, rate: float, shape: tuple[int, ...]) -> Array:
    if keys is None or not rate:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, shape))(keys)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)
