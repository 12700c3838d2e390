"""Weather: snow, fog and brightness; frost has a file of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images import colour
from rtickets.data.images.corruptions.blur import Motion, moved
from rtickets.data.images.corruptions.corruption import Corruption, Shape
from rtickets.data.images.corruptions.operators import along, middle


class Snow(NamedTuple):
    """Flakes: normal numbers, enlarged, cut off below, moved; and how much the picture pales."""

    mean: float
    deviation: float
    enlarged: float
    below: float
    motion: Motion
    kept: float


class Flakes(NamedTuple):
    """What is random in snow: standard normal numbers (H, W), and the angle in degrees."""

    normal: Array
    angle: Array


def snow(image: Array, constant: Snow, drawn: Flakes) -> Array:
    """Make a picture paler and let flakes fall on it, from two sides."""
    height, width, channels = image.shape
    layer = (constant.mean + constant.deviation * drawn.normal)[..., None]
    layer = along(layer, middle(height, constant.enlarged), middle(width, constant.enlarged))
    layer = jnp.clip(jnp.where(layer < constant.below, 0, layer), 0, 1)
    layer = jnp.round(moved(layer, constant.motion, drawn.angle) * 255) / 255
    layer = layer[:height, :width]
    grey = colour.grey(image) if channels == 3 else image
    pale = jnp.maximum(image, grey * 1.5 + 0.5)
    image = constant.kept * image + (1 - constant.kept) * pale
    return jnp.clip(image + layer + jnp.rot90(layer, 2), 0, 1)


def _flakes(key: Array, shape: Shape, constant: Snow) -> Flakes:
    del constant
    normal_key, angle_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (), minval=-135, maxval=-45)
    return Flakes(jax.random.normal(normal_key, shape[:2]), angle)


class Fog(NamedTuple):
    """How thick fog is, and by what its roughness falls from scale to scale."""

    amount: float
    decay: float


Level = tuple[Array, Array, Array]


def fog(image: Array, constant: Fog, drawn: tuple[Level, ...]) -> Array:
    """Add a fractal of `plasma`, and scale back to the picture's brightest value."""
    height, width, _ = image.shape
    layer = constant.amount * plasma(drawn, constant.decay)[:height, :width, None]
    brightest = image.max()
    return jnp.clip((image + layer) * brightest / (brightest + constant.amount), 0, 1)


def plasma(drawn: tuple[Level, ...], decay: float) -> Array:
    """Return a height map by the diamond-square algorithm, on a torus.

    Args:
        drawn: for steps of the whole side, half of it, ... 2 pixels, three arrays (n, n) uniform in
            [-1, 1), n being side / step: for the centres of squares, for the middles of their
            horizontal and of their vertical sides.
        decay: by what the roughness falls with each halving of the step.

    Returns:
        float32 (side, side) from 0 to 1, side being 2 to the number of steps.
    """
    heights, roughness = jnp.zeros((1, 1)), 100.0
    for squares, horizontal, vertical in drawn:
        spread = roughness**2
        pairs = heights + jnp.roll(heights, -1, 0)
        centres = (pairs + jnp.roll(pairs, -1, 1)) / 4 + spread * squares
        centres = jax.lax.optimization_barrier(centres)  # else XLA unrolls all levels into one
        across = centres + jnp.roll(centres, 1, 0) + heights + jnp.roll(heights, -1, 1)
        down = centres + jnp.roll(centres, 1, 1) + heights + jnp.roll(heights, -1, 0)
        upper = jnp.stack([heights, across / 4 + spread * horizontal], -1)
        lower = jnp.stack([down / 4 + spread * vertical, centres], -1)
        side = 2 * len(heights)
        heights = jnp.stack([upper, lower], 1).reshape(side, side)
        heights = jax.lax.optimization_barrier(heights)
        roughness /= decay
    heights = heights - heights.min()
    return heights / heights.max()


def levels(shape: Shape) -> int:
    """Return how many steps the height map of a picture has."""
    return max(1, (max(shape) - 1).bit_length())


def _levels(key: Array, shape: Shape, constant: Fog) -> tuple[Level, ...]:
    del constant
    sides = [2**level for level in range(levels(shape))]
    ends = np.cumsum([3 * side**2 for side in sides])
    drawn = jnp.split(jax.random.uniform(key, (int(ends[-1]),), minval=-1), ends[:-1])
    arrays = (part.reshape(3, side, side) for part, side in zip(drawn, sides, strict=True))
    return tuple((array[0], array[1], array[2]) for array in arrays)


def brightness(image: Array, amount: float, drawn: tuple[()]) -> Array:
    """Add to the value of HSV, its largest channel, at the same hue and saturation."""
    del drawn
    value = image.max(-1, keepdims=True)
    brighter = jnp.clip(value + amount, 0, 1)
    scale = brighter / jnp.where(value > 0, value, 1)
    return jnp.clip(jnp.where(value > 0, image * scale, brighter), 0, 1)


SNOW = Corruption(
    "weather",
    {
        "imagenet": (
            Snow(0.1, 0.3, 3, 0.5, Motion(10, 4), 0.8),
            Snow(0.2, 0.3, 2, 0.5, Motion(12, 4), 0.7),
            Snow(0.55, 0.3, 4, 0.9, Motion(12, 8), 0.7),
            Snow(0.55, 0.3, 4.5, 0.85, Motion(12, 8), 0.65),
            Snow(0.55, 0.3, 2.5, 0.85, Motion(12, 12), 0.55),
        ),
        "cifar": (
            Snow(0.1, 0.2, 1, 0.6, Motion(8, 3), 0.95),
            Snow(0.1, 0.2, 1, 0.5, Motion(10, 4), 0.9),
            Snow(0.15, 0.3, 1.75, 0.55, Motion(10, 4), 0.9),
            Snow(0.25, 0.3, 2.25, 0.6, Motion(12, 6), 0.85),
            Snow(0.3, 0.3, 1.25, 0.65, Motion(14, 12), 0.8),
        ),
    },
    snow,
    _flakes,
)
FOG = Corruption(
    "weather",
    {
        "imagenet": (Fog(1.5, 2), Fog(2, 2), Fog(2.5, 1.7), Fog(2.5, 1.5), Fog(3, 1.4)),
        "cifar": (Fog(0.2, 3), Fog(0.5, 3), Fog(0.75, 2.5), Fog(1, 2), Fog(1.5, 1.75)),
    },
    fog,
    _levels,
)
BRIGHTNESS = Corruption(
    "weather",
    {"imagenet": (0.1, 0.2, 0.3, 0.4, 0.5), "cifar": (0.05, 0.1, 0.15, 0.2, 0.3)},
    brightness,
)
