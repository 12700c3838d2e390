"""Linear maps along the sides of a picture, and sampling between its pixels.

Blurs and zooms are separable, so each is a matrix a side, made on the host in float64; edges are
part of the matrix. Products run at full precision, which accelerators do not do by default.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy import ndimage


def along(image: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
    """Map both sides of an image: (H, W, C) by (H', H) and (W', W) to (H', W', C)."""
    down = jnp.asarray(rows, jnp.float32)
    across = jnp.asarray(columns, jnp.float32)
    half = jnp.einsum("ih,hwc->iwc", down, image, precision=jax.lax.Precision.HIGHEST)
    return jnp.einsum("jw,iwc->ijc", across, half, precision=jax.lax.Precision.HIGHEST)


def gaussian(size: int, sigma: float, truncate: float = 4.0, mode: str = "nearest") -> np.ndarray:
    """Return the matrix of a Gaussian blur with scipy's radius, weights and edges."""
    if sigma <= 0:
        return np.eye(size)
    return ndimage.gaussian_filter1d(np.eye(size), sigma, 0, mode=mode, truncate=truncate)


def middle(size: int, factor: float) -> np.ndarray:
    """Return the matrix (about `size`, never less; size) that cuts out and stretches the middle.

    Of a side of `size` pixels things become `factor` times larger, at least 1, linearly.
    """
    kept = int(np.ceil(size / factor))
    start = (size - kept) // 2
    return ndimage.zoom(np.eye(size)[start : start + kept], (factor, 1), order=1)


def blurred(image: Array, sigma: float) -> Array:
    """Blur with a Gaussian, edges repeated."""
    return along(image, gaussian(image.shape[0], sigma), gaussian(image.shape[1], sigma))


def symmetric(index: Array, size: int) -> Array:
    """Fold indices into a side that is mirrored behind its last pixel: b a | a b c | c b."""
    index = index % (2 * size)
    return jnp.minimum(index, 2 * size - 1 - index)


def mirrored(index: Array, size: int) -> Array:
    """Fold indices into a side that is mirrored at its last pixel: c b | a b c | b a."""
    index = index % (2 * size - 2)
    return jnp.minimum(index, 2 * size - 2 - index)


def sampled(
    image: Array, rows: Array, columns: Array, fold: Callable[[Array, int], Array]
) -> Array:
    """Sample an image (H, W, C) linearly between its pixels, at `rows` and `columns` (H', W').

    `fold` says what lies outside: `symmetric` or `mirrored`.
    """
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    above, below = (fold(top.astype(jnp.int32) + k, image.shape[0]) for k in (0, 1))
    before, after = (fold(left.astype(jnp.int32) + k, image.shape[1]) for k in (0, 1))
    upper = image[above, before] * (1 - across) + image[above, after] * across
    lower = image[below, before] * (1 - across) + image[below, after] * across
    return upper * (1 - down) + lower * down
