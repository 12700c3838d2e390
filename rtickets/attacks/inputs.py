"""What an attack refuses, said before any attack is computed."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.search import LogitsFn, call_model, join_model, split_model
from rtickets.errors import InputError

_RESTARTS = 2**30  # far from the counts of evaluations, which are folded into keys as well


def check_images(x: Array, y: Array) -> None:
    """Check images and labels, their values too unless they are being traced.

    Args:
        x: images (B, ...).
        y: labels (B,).

    Raises:
        InputError: for no images, integer images, images outside [0, 1], NaN, or labels that do not
            fit.
    """
    if not x.size:
        raise InputError(f"there are no images to attack, their shape is {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(f"images are {x.dtype}; expected floats in [0, 1]: divide by 255")
    check_classes(y, len(x))
    if is_traced(x):
        return
    low, high = float(jnp.min(x)), float(jnp.max(x))
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise InputError(
            f"images lie in [{low:g}, {high:g}]; expected [0, 1], normalised by the model"
        )


def check_classes(classes: Array, batch: int, name: str = "labels") -> None:
    """Raise InputError unless there is one integer per image."""
    if classes.shape != (batch,) or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise InputError(
            f"{name} have shape {classes.shape} and dtype {classes.dtype}; expected integers "
            f"({batch},), one per image"
        )


def check_radius(length: Array | float, name: str = "eps", *, batch: int | None = None) -> None:
    """Check a length, its value too unless it is being traced.

    Args:
        length: in pixel units.
        name: what the caller calls it.
        batch: number of images, where every image may have a length of its own.

    Raises:
        InputError: for a length that is negative or not finite, or the wrong number of them.
    """
    shape = jnp.shape(length)
    if shape and shape != (batch,):
        several = "" if batch is None else f" or one per image ({batch},)"
        raise InputError(f"{name} has shape {shape}; expected one number{several}")
    if is_traced(length):
        return
    values = np.asarray(length, np.float64)
    if not ((values >= 0) & np.isfinite(values)).all():
        raise InputError(f"{name}={length} must be finite and at least 0, in pixel units")


def check_labels(logits: Array, y: Array, name: str = "label") -> None:
    """Check labels against the model's clean logits, unless they are being traced.

    Args:
        logits: (B, classes).
        y: labels (B,).
        name: what they are.

    Raises:
        InputError: for labels out of range and for logits of the wrong shape or not finite.
    """
    if logits.ndim != 2 or logits.shape[0] != y.shape[0] or logits.shape[1] < 2:
        raise InputError(
            f"the model returned logits of shape {logits.shape} for {y.shape[0]} images; expected "
            f"({y.shape[0]}, classes) of at least 2 classes"
        )
    if is_traced((logits, y)):
        return
    classes = logits.shape[1]
    wrong = np.asarray((y < 0) | (y >= classes))
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(f"{name} {int(y[first])} of image {first} is not in 0 ... {classes - 1}")
    broken = ~np.isfinite(np.asarray(logits)).all(-1)
    if broken.any():
        raise InputError(
            f"the logits of {broken.sum()} clean images are not finite, first of image "
            f"{int(broken.argmax())}; repair the model before attacking it"
        )


def clean_logits(logits_fn: LogitsFn, x: Array, key: Array, samples: int = 0) -> Array:
    """Return the float32 logits of unperturbed images, the mean over a random model's samples.

    Args:
        logits_fn: the model.
        x: images (B, ...).
        key: keys (B,).
        samples: number of draws of a random model, 0 for one that takes no key.

    Returns:
        (B, classes).
    """
    if is_traced((x, logits_fn)):
        return call_model(logits_fn, x, key, samples).mean(0)
    function, arguments = split_model(logits_fn)
    return _compiled_logits(function, samples)(arguments, x, key)


@lru_cache(maxsize=16)
def _compiled_logits(function: Callable[..., Array], samples: int) -> Any:
    def logits(arguments: Any, x: Array, key: Array) -> Array:
        return call_model(join_model(function, arguments), x, key, samples).mean(0)

    return jax.jit(logits)


def is_traced(tree: Any) -> bool:
    """Return whether any leaf is a tracer, whose values are not known yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def example_keys(key: Array, batch: int) -> Array:
    """Return one PRNG key per example.

    Args:
        key: one key, from which the keys of the positions 0, 1, ... are derived, or keys (B,) that
            the caller tied to the examples so that results do not depend on their positions.
        batch: B.

    Returns:
        Keys (B,).

    Raises:
        InputError: if there are neither 1 nor B keys, or they are not typed.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise InputError(f"key is an array of {key.dtype}; expected a key of jax.random.key(seed)")
    if key.ndim == 0:
        return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(batch))
    if key.shape != (batch,):
        raise InputError(f"key has shape {key.shape}; expected one key or one per image ({batch},)")
    return key


def restart_keys(keys: Array, restart: int) -> Array:
    """Return the keys (B,) of a restart; the first run, number 0, keeps the given ones."""
    if restart == 0:
        return keys
    return jax.vmap(lambda key: jax.random.fold_in(key, _RESTARTS + restart))(keys)
