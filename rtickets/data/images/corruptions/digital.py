"""Digital: contrast, elastic transform and pixelation; JPEG has a file of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images.corruptions.corruption import Corruption, Shape
from rtickets.data.images.corruptions.operators import (
    along,
    gaussian,
    mirrored,
    sampled,
    symmetric,
)


def contrast(image: Array, factor: float, drawn: tuple[()]) -> Array:
    """Scale the distance from each channel's mean."""
    del drawn
    mean = image.mean((0, 1), keepdims=True)
    return jnp.clip((image - mean) * factor + mean, 0, 1)


class Elastic(NamedTuple):
    """A random affine map, then random smooth displacements.

    Attributes:
        strength: factor of the smoothed displacements.
        sigma: deviation of the smoothing.
        reach: displacements are uniform up to this before smoothing.
        corners: how far three corners of a square in the middle move, in pixels; 0 maps nothing.
        relative: `sigma` is in units of each side and `reach` of the height, else both in pixels.
    """

    strength: float
    sigma: float
    reach: float
    corners: float
    relative: bool


class Displacements(NamedTuple):
    """What is random, all uniform in [-1, 1): corners (3, 2) as (x, y), and two fields (H, W)."""

    corners: Array
    across: Array
    down: Array


def elastic_transform(image: Array, constant: Elastic, drawn: Displacements) -> Array:
    """Move pixels about."""
    height, width, _ = image.shape
    if constant.corners:
        image = _affine(image, constant.corners * drawn.corners)
    sides = (height, width) if constant.relative else (1, 1)
    smooth = [
        gaussian(size, constant.sigma * side, 3, "reflect")
        for size, side in zip((height, width), sides, strict=True)
    ]
    factor = constant.reach * sides[0] * constant.strength
    down, across = (
        factor * along(field[..., None], *smooth)[..., 0] for field in (drawn.down, drawn.across)
    )
    rows = jnp.arange(height)[:, None] + down
    columns = jnp.arange(width) + across
    return jnp.clip(sampled(image, rows, columns, symmetric), 0, 1)


def _affine(image: Array, moves: Array) -> Array:
    """Map three corners of the square in the middle to where they move."""
    height, width, _ = image.shape
    centre, size = np.array([width // 2, height // 2]), min(height, width) // 3
    corners = centre + size * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + moves
    (a, b), (c, d) = moved[0] - moved[1], moved[2] - moved[1]
    inverse = jnp.array([[d, -b], [-c, a]]) / (a * d - b * c)
    linear = inverse @ jnp.asarray(corners[[0, 2]] - corners[1], jnp.float32)
    x = jnp.arange(width)[None, :] - moved[1, 0]
    y = jnp.arange(height)[:, None] - moved[1, 1]
    columns = corners[1, 0] + x * linear[0, 0] + y * linear[1, 0]
    rows = corners[1, 1] + x * linear[0, 1] + y * linear[1, 1]
    return sampled(image, rows, columns, mirrored)


def _displacements(key: Array, shape: Shape, constant: Elastic) -> Displacements:
    del constant
    corners, fields = jax.random.split(key)
    across, down = jax.random.uniform(fields, (2, *shape[:2]), minval=-1)
    return Displacements(jax.random.uniform(corners, (3, 2), minval=-1), across, down)


class Pixels(NamedTuple):
    """The share of pixels a side that is left, and whether a box or the nearest enlarges them."""

    share: float
    box: bool


def pixelate(image: Array, constant: Pixels, drawn: tuple[()]) -> Array:
    """Shrink by averages, in 8 bits, and enlarge again."""
    del drawn
    values = jnp.round(image * 255)
    for axis in (1, 0):  # Pillow shrinks the width first, and rounds each time
        shrink = jnp.asarray(_box(image.shape[axis], constant.share), jnp.float32)
        values = jnp.moveaxis(values, axis, 0)
        values = jnp.einsum("ih,hwc->iwc", shrink, values, precision=jax.lax.Precision.HIGHEST)
        values = jnp.moveaxis(jnp.floor(values + 0.5), 0, axis)
    rows, columns = (
        _enlarged(size, shrunk, constant.box)
        for size, shrunk in zip(image.shape[:2], values.shape[:2], strict=True)
    )
    return values[rows][:, columns] / 255


def _box(size: int, share: float) -> np.ndarray:
    """Return the matrix of Pillow's box filter: means of whole pixels, weighted alike."""
    length = max(1, int(size * share))
    scale = size / length
    centre = (np.arange(length)[:, None] + 0.5) * scale
    distance = (np.arange(size) + 0.5 - centre) / max(scale, 1)
    inside = ((distance > -0.5) & (distance <= 0.5)).astype(np.float64)
    return inside / inside.sum(1, keepdims=True)


def _enlarged(size: int, length: int, box: bool) -> np.ndarray:
    """Return which of `length` pixels each of `size` shows; Pillow's nearest adds up its steps."""
    scale = length / size
    if box:
        return np.floor((np.arange(size) + 0.5) * scale).astype(int)
    return np.floor(np.cumsum([scale / 2] + [scale] * (size - 1))).astype(int)


CONTRAST = Corruption(
    "digital",
    {"imagenet": (0.4, 0.3, 0.2, 0.1, 0.05), "cifar": (0.75, 0.5, 0.4, 0.3, 0.15)},
    contrast,
)
ELASTIC_TRANSFORM = Corruption(
    "digital",
    {
        "imagenet": tuple(
            Elastic(250 * share, 0.01, 0.005, 0, True) for share in (0.05, 0.065, 0.085, 0.1, 0.12)
        ),
        "cifar": (
            Elastic(0, 0, 1, 2.56, False), Elastic(1.6, 6.4, 1, 2.24, False),
            Elastic(2.56, 1.92, 1, 1.92, False), Elastic(3.2, 1.28, 1, 1.6, False),
            Elastic(3.2, 0.96, 1, 0.96, False),
        ),
    },
    elastic_transform,
    _displacements,
)  # fmt: skip
PIXELATE = Corruption(
    "digital",
    {
        "imagenet": tuple(Pixels(share, False) for share in (0.6, 0.5, 0.4, 0.3, 0.25)),
        "cifar": tuple(Pixels(share, True) for share in (0.95, 0.9, 0.85, 0.75, 0.65)),
    },
    pixelate,
)
