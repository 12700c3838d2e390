"""Blurs: out of focus, by motion and by zooming; glass has a file of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images.corruptions.corruption import Corruption, Shape
from rtickets.data.images.corruptions.operators import along, middle


class Disk(NamedTuple):
    """An aperture: radius in pixels, and the deviation of the Gaussian that softens its rim."""

    radius: float
    rim: float


def disk(radius: float, rim: float) -> np.ndarray:
    """Return the kernel of an aperture: 17 pixels a side, or what a radius above 8 needs.

    Its rim is softened as if mirrored at the kernel's edge, so one that fills the kernel weighs up
    to 1.011 in all. Published pictures are that much brighter.
    """
    reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    squares = np.arange(-reach, reach + 1) ** 2
    inside = (squares[:, None] + squares <= radius**2).astype(np.float64)
    weights = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * rim**2))
    padded = np.pad(inside / inside.sum(), taps, mode="reflect")
    for axis in (0, 1):
        softened = np.lib.stride_tricks.sliding_window_view(padded, 2 * taps + 1, axis)
        padded = softened @ (weights / weights.sum())
    return padded


def defocus_blur(image: Array, constant: Disk, drawn: tuple[()]) -> Array:
    """Blur with a disk; pictures are mirrored at their last pixels."""
    del drawn
    kernel = jnp.asarray(disk(*constant), jnp.float32)[..., None, None]
    reach = kernel.shape[0] // 2
    padded = jnp.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    blurred = jax.lax.conv_general_dilated(
        jnp.moveaxis(padded, -1, 0)[..., None],
        kernel,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    return jnp.clip(jnp.moveaxis(blurred[..., 0], 0, -1), 0, 1)


class Motion(NamedTuple):
    """A motion: it reaches 2 radius pixels far, weighted by half a Gaussian of deviation sigma."""

    radius: int
    sigma: float


def moved(image: Array, motion: Motion, angle: Array) -> Array:
    """Blur along a line that starts at each pixel.

    Pixels outside are those of the edge. Where the line is longer than the picture, what is outside
    is left out, and the picture becomes darker, as the package's does.

    Args:
        image: float (H, W, C).
        motion: how far.
        angle: degrees, 0 to the right, growing downwards.

    Returns:
        float (H, W, C).
    """
    height, width, _ = image.shape
    steps = np.arange(2 * motion.radius + 1)
    weights = np.exp(-(steps**2) / (2 * motion.sigma**2))
    radians = jnp.deg2rad(angle)
    down = -jnp.ceil(steps * jnp.sin(radians) - 0.5).astype(jnp.int32)
    across = -jnp.ceil(steps * jnp.cos(radians) - 0.5).astype(jnp.int32)
    inside = (abs(down) < height) & (abs(across) < width)
    shares = inside * jnp.asarray(weights / weights.sum(), jnp.float32)

    def add(total: Array, step: tuple[Array, Array, Array]) -> tuple[Array, None]:
        share, dy, dx = step
        rows = jnp.clip(jnp.arange(height) - dy, 0, height - 1)
        columns = jnp.clip(jnp.arange(width) - dx, 0, width - 1)
        return total + share * image[rows][:, columns], None

    return jax.lax.scan(add, jnp.zeros_like(image), (shares, down, across))[0]


def motion_blur(image: Array, constant: Motion, angle: Array) -> Array:
    """Blur along a line of a random angle."""
    return jnp.clip(moved(image, constant, angle), 0, 1)


def _angle(key: Array, shape: Shape, constant: Motion) -> Array:
    del shape, constant
    return jax.random.uniform(key, (), minval=-45, maxval=45)


class Zoom(NamedTuple):
    """Factors of a zoom: from 1 in steps, the end left out as by `numpy.arange`."""

    end: float
    step: float


def zoom_blur(image: Array, constant: Zoom, drawn: tuple[()]) -> Array:
    """Average a picture and its zooms; zooms keep their top left."""
    del drawn
    height, width, _ = image.shape
    factors = np.arange(1, constant.end, constant.step)
    total = image
    for factor in factors:
        total = total + along(image, middle(height, factor)[:height], middle(width, factor)[:width])
    return jnp.clip(total / (len(factors) + 1), 0, 1)


DEFOCUS_BLUR = Corruption(
    "blur",
    {
        "imagenet": (Disk(3, 0.1), Disk(4, 0.5), Disk(6, 0.5), Disk(8, 0.5), Disk(10, 0.5)),
        "cifar": (Disk(0.3, 0.4), Disk(0.4, 0.5), Disk(0.5, 0.6), Disk(1, 0.2), Disk(1.5, 0.1)),
    },
    defocus_blur,
)
MOTION_BLUR = Corruption(
    "blur",
    {
        "imagenet": (Motion(10, 3), Motion(15, 5), Motion(15, 8), Motion(15, 12), Motion(20, 15)),
        "cifar": (Motion(6, 1), Motion(6, 1.5), Motion(6, 2), Motion(8, 2), Motion(9, 2.5)),
    },
    motion_blur,
    _angle,
)
ZOOM_BLUR = Corruption(
    "blur",
    {
        "imagenet": (
            Zoom(1.11, 0.01), Zoom(1.16, 0.01), Zoom(1.21, 0.02), Zoom(1.26, 0.02),
            Zoom(1.31, 0.03),
        ),
        "cifar": (
            Zoom(1.06, 0.01), Zoom(1.11, 0.01), Zoom(1.16, 0.01), Zoom(1.21, 0.01),
            Zoom(1.26, 0.01),
        ),
    },
    zoom_blur,
)  # fmt: skip
