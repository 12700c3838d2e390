"""Noise: Gaussian, shot and impulse."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.images.corruptions.corruption import Corruption, Shape

_REACH = 6.0  # standard deviations below the mean where counts begin: a probability below 1e-9


def gaussian_noise(image: Array, scale: float, drawn: Array) -> Array:
    """Add standard normal numbers times a scale."""
    return jnp.clip(image + scale * drawn, 0, 1)


def _normal(key: Array, shape: Shape, scale: float) -> Array:
    del scale
    return jax.random.normal(key, shape)


def shot_noise(image: Array, photons: float, drawn: Array) -> Array:
    """Count photons: Poisson, of which white has `photons` on average.

    `drawn` is uniform in [0, 1), of the image's shape; counts are its quantiles.
    """
    return jnp.clip(poisson_quantile(drawn, image * photons, photons) / photons, 0, 1)


def poisson_quantile(probability: Array, mean: Array, largest: float) -> Array:
    """Return the smallest counts whose distribution function reaches a probability.

    Probabilities are summed relative to the first count's, by their ratios, which needs no
    exponential and neither under- nor overflows for means up to thousands.

    Args:
        probability: in [0, 1).
        mean: of the same shape.
        largest: no mean is above it; static.

    Returns:
        float32 counts.
    """
    first = jnp.maximum(jnp.floor(mean - _REACH * jnp.sqrt(mean)), 0)
    length = math.ceil((2 * _REACH + 1) * math.sqrt(largest)) + 25

    def add(step: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        term, total = state
        term = term * mean / (first + step + 1)
        return term, total + term

    one = jnp.ones_like(mean)
    _, total = jax.lax.fori_loop(0, length, add, (one, one))

    def count(step: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        term, below, counts = state
        counts = counts + (below < probability * total)
        return *add(step, (term, below)), counts

    return jax.lax.fori_loop(0, length, count, (one, one, first))[2]


def _uniform(key: Array, shape: Shape, constant: float) -> Array:
    del constant
    return jax.random.uniform(key, shape)


def impulse_noise(image: Array, share: float, drawn: Array) -> Array:
    """Put a share of the values to 0 or 1, either as likely.

    `drawn` is uniform in [0, 1), (2, H, W, C): which change, and to what.
    """
    return jnp.where(drawn[0] <= share, (drawn[1] <= 0.5).astype(jnp.float32), image)


def _two_uniform(key: Array, shape: Shape, share: float) -> Array:
    del share
    return jax.random.uniform(key, (2, *shape))


GAUSSIAN_NOISE = Corruption(
    "noise",
    {"imagenet": (0.08, 0.12, 0.18, 0.26, 0.38), "cifar": (0.04, 0.06, 0.08, 0.09, 0.10)},
    gaussian_noise,
    _normal,
)
SHOT_NOISE = Corruption(
    "noise",
    {"imagenet": (60, 25, 12, 5, 3), "cifar": (500, 250, 100, 75, 50)},
    shot_noise,
    _uniform,
)
IMPULSE_NOISE = Corruption(
    "noise",
    {"imagenet": (0.03, 0.06, 0.09, 0.17, 0.27), "cifar": (0.01, 0.02, 0.03, 0.05, 0.07)},
    impulse_noise,
    _two_uniform,
)
