"""Gradients with respect to the input, and pictures of them.

The gradient of a class's logit says which pixels would change it. That of a robust network looks
like the object (Tsipras et al. 2019); that of another looks like noise, which `smooth_gradients`
averages out over noisy copies (SmoothGrad, Smilkov et al. 2017). `alignment` says how far an image
and its gradient agree.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial
from jax.typing import ArrayLike

from rtickets.attacks.projections import l2_norm, per_example
from rtickets.errors import InputError
from rtickets.platform import preemption
from rtickets.platform.hoisting import compiled

_DEVIATIONS = 3  # of a gradient's entries that a picture of it spans


def input_gradients(score_fn: Callable[..., Array], x: ArrayLike, *about: ArrayLike) -> Array:
    """Return the gradient of every example's score with respect to its input.

    Args:
        score_fn: (x, *about) to scores (B,), of which each depends on its own example alone; a
            `jax.tree_util.Partial` shares compiled programs with others of the same function.
        x: inputs (B, ...).
        about: what else scores are about, as the labels, examples first.

    Returns:
        float32 like x.
    """
    return _gradients(_shared(score_fn), jnp.asarray(x, jnp.float32), about)


def smooth_gradients(
    score_fn: Callable[..., Array],
    x: ArrayLike,
    keys: Array,
    *about: ArrayLike,
    sigma: float,
    samples: int,
) -> Array:
    """Return the mean gradient over noisy copies of every input; the copies are not clipped.

    Args:
        score_fn: see `input_gradients`.
        x: likewise.
        keys: typed PRNG keys (B,), one an example, so that its result does not depend on others.
        about: see `input_gradients`.
        sigma: standard deviation of the noise, in pixel units.
        samples: number of copies.

    Raises:
        InputError: for noise or a number of copies that means nothing.
        Preempted: if the process was asked to stop.
    """
    if not 0 <= sigma < np.inf:
        raise InputError(f"sigma={sigma}; expected a standard deviation, 0 or more")
    if samples < 1:
        raise InputError(f"samples={samples}; expected 1 or more")
    score_fn, x = _shared(score_fn), jnp.asarray(x, jnp.float32)
    total = jnp.zeros_like(x)
    for sample in range(samples):
        preemption.check()
        total += _gradients(score_fn, _noisy(x, keys, sigma, sample), about)
    return total / samples


def _shared(score_fn: Callable[..., Array]) -> Partial:
    """Return a function whose programs are kept no longer than they are true."""
    return score_fn if isinstance(score_fn, Partial) else Partial(partial(_call, score_fn))


def _call(score_fn: Callable[..., Array], *arguments: Array) -> Array:
    return score_fn(*arguments)


@compiled
def _gradients(score_fn: Callable[..., Array], x: Array, about: tuple[Array, ...]) -> Array:
    return jax.grad(lambda x: score_fn(x, *about).sum())(x)


@jax.jit
def _noisy(x: Array, keys: Array, sigma: Array, sample: Array) -> Array:
    def noise(key: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, sample), x.shape[1:])

    return x + sigma * jax.vmap(noise)(keys)


def alignment(x: ArrayLike, gradients: ArrayLike) -> Array:
    """Return |<x, g>| / ||g|| (Etmann et al. 2019), float32 (B,); 0 where the gradient is zero.

    For a linear score it is the distance to the hyperplane through 0, and so grows with robustness.
    """
    x, gradients = jnp.asarray(x, jnp.float32), jnp.asarray(gradients, jnp.float32)
    length = l2_norm(gradients)
    unit = gradients / jnp.where(length > 0, length, 1)
    return jnp.abs(jnp.sum(x * unit, tuple(range(1, x.ndim))))


def gradient_pictures(gradients: Array) -> Array:
    """Return gradients as images in [0, 1]: grey is zero, black and white are 3 deviations."""
    axes = tuple(range(1, gradients.ndim))
    deviation = gradients.std(axes)
    scale = per_example(_DEVIATIONS * jnp.where(deviation > 0, deviation, 1), gradients)
    return jnp.clip(gradients / scale, -1, 1) / 2 + 0.5


def saliency_pictures(gradients: Array) -> Array:
    """Return how much every pixel counts, (B, H, W, 1) in [0, 1] (Simonyan et al. 2014).

    It is the largest size of its gradient over the channels; white is the 99th percentile.
    """
    sizes = jnp.abs(gradients).max(-1, keepdims=True)
    most = jnp.percentile(sizes.reshape(len(sizes), -1), 99, axis=1)
    most = jnp.where(most > 0, most, sizes.reshape(len(sizes), -1).max(1))
    return jnp.clip(sizes / per_example(jnp.where(most > 0, most, 1), sizes), 0, 1)
