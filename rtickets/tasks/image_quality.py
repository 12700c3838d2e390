"""How close images are to others: peak signal-to-noise ratio and structural similarity."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2
SMALLEST = 2 * _RADIUS + 1
"""The least side of an image that has a structural similarity."""


def squared_errors(images: Array, others: Array) -> Array:
    """Return the mean squared error of every image (B, H, W, C), float32 (B,)."""
    return jnp.square(images - others).mean((1, 2, 3))


def psnr_of(squared_error: float) -> float:
    """Return the peak signal-to-noise ratio in dB of images in [0, 1]; infinite without error."""
    if math.isnan(squared_error):
        return math.nan
    return math.inf if squared_error == 0 else -10 * math.log10(squared_error)


def structural_similarity(images: Array, others: Array) -> Array:
    """Return the mean structural similarity of images in [0, 1] (Wang et al. 2004).

    Local statistics are weighted by a Gaussian of 1.5 pixels on 11x11 places, taken where it lies
    in the image as a whole, and averaged over places and channels.

    Args:
        images: (B, H, W, C), both sides at least `SMALLEST`.
        others: likewise.

    Returns:
        float32 (B,).
    """
    rows, columns = _window(images.shape[1]), _window(images.shape[2])

    def local(x: Array) -> Array:
        return jnp.einsum("ah,bw,nhwc->nabc", rows, columns, x, precision="highest")

    x, y = local(images), local(others)
    xx, yy, xy = local(images**2) - x**2, local(others**2) - y**2, local(images * others) - x * y
    alike = (2 * x * y + _C1) * (2 * xy + _C2)
    return (alike / ((x**2 + y**2 + _C1) * (xx + yy + _C2))).mean((1, 2, 3))


def _window(side: int) -> np.ndarray:
    """Return the Gaussian at every place where it fits, (side - 10, side)."""
    weights = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    weights /= weights.sum()
    places = side - 2 * _RADIUS
    matrix = np.zeros((places, side), np.float32)
    for place in range(places):
        matrix[place, place : place + len(weights)] = weights
    return matrix
