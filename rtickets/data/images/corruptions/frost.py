"""Frost: a photograph of frosted glass laid over a picture.

The photographs are files of the package `imagecorruptions`, read where it is installed and not part
of this one. It has six and draws among the first five; so did those who made ImageNet-C.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image

from rtickets.data.images.corruptions.corruption import Corruption, Shape
from rtickets.data.sources.registry import package_file

FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
INSTALL = "pip install --no-deps imagecorruptions==1.1.2"
_GREY = (
    0.114,
    0.5870,
    0.2989,
)  # of red, green, blue: published code takes them the other way round


class Frost(NamedTuple):
    """How much of the picture and of the texture is seen, and how large textures are.

    Attributes:
        kept: factor of the picture.
        frost: factor of the texture.
        scale: of textures to their files, at least; they grow to be 1.1 times the picture.
        cubic: whether they are resized by a cubic, or linearly.
    """

    kept: float
    frost: float
    scale: float
    cubic: bool


class Window(NamedTuple):
    """What is random in frost: the texture, and how far down and right it is cut out, in [0, 1)."""

    texture: Array
    down: Array
    across: Array


class Textures(NamedTuple):
    """Textures in one array, uint8 (textures, H, W, 3), and their own sizes (textures, 2)."""

    pixels: np.ndarray
    sizes: np.ndarray


def frost(image: Array, constant: Frost, drawn: Window, textures: Textures) -> Array:
    """Add a window of a texture, of those that `read_textures` gives, to a picture."""
    height, width, channels = image.shape
    room = jnp.asarray(textures.sizes)[drawn.texture] - jnp.asarray([height, width])
    top = jnp.floor(drawn.down * room[0]).astype(jnp.int32)
    left = jnp.floor(drawn.across * room[1]).astype(jnp.int32)
    start = (drawn.texture, top, left, jnp.zeros_like(top))
    window = jax.lax.dynamic_slice(jnp.asarray(textures.pixels), start, (1, height, width, 3))[0]
    layer = window.astype(jnp.float32) / 255
    if channels == 1:
        layer = (layer * jnp.asarray(_GREY)).sum(-1, keepdims=True)
    return jnp.clip(constant.kept * image + constant.frost * layer, 0, 1)


def _window(key: Array, shape: Shape, constant: Frost) -> Window:
    del shape, constant
    texture_key, place_key = jax.random.split(key)
    texture = jax.random.randint(texture_key, (), 0, len(FILES), jnp.int32)
    down, across = jax.random.uniform(place_key, (2,))
    return Window(texture, down, across)


def check_textures() -> None:
    """Raise InputError if the package with the textures is not installed."""
    for name in FILES:
        _path(name)


def _path(name: str) -> Path:
    return package_file("imagecorruptions", f"frost/{name}", INSTALL)


def read_textures(shape: Shape, constant: Frost) -> Textures:
    """Read and resize the textures for pictures of a shape.

    Raises:
        InputError: if the package is not installed.
    """
    resized = []
    for name in FILES:
        with Image.open(_path(name)) as file:
            pixels = np.asarray(file.convert("RGB"))
        sides = pixels.shape[:2]
        cover = 1.1 * max(shape[0] / sides[0], shape[1] / sides[1])
        resized.append(_resized(pixels, max(constant.scale, cover), constant.cubic))
    sizes = np.array([pixels.shape[:2] for pixels in resized], np.int32)
    stack = np.zeros((len(resized), *sizes.max(0), 3), np.uint8)
    for place, pixels in zip(stack, resized, strict=True):
        place[: pixels.shape[0], : pixels.shape[1]] = pixels
    return Textures(stack, sizes)


def _resized(pixels: np.ndarray, scale: float, cubic: bool) -> np.ndarray:
    """Resize to 8 bits without antialiasing, as OpenCV does."""
    down, across = (_weights(size, scale, cubic) for size in pixels.shape[:2])
    values = np.einsum("ih,hwc->iwc", down, pixels.astype(np.float64), optimize=True)
    values = np.einsum("jw,iwc->ijc", across, values, optimize=True)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _weights(size: int, scale: float, cubic: bool) -> np.ndarray:
    """Return how pixels of a resized side are made of its own: cubic with a = -3/4, or linear."""
    length = int(np.ceil(size * scale)) if cubic else round(size * scale)
    centre = (np.arange(length) + 0.5) * (size / length if cubic else 1 / scale) - 0.5
    first = np.floor(centre).astype(int)
    weights = np.zeros((length, size))
    for tap in range(-1, 3):
        distance = abs(centre - (first + tap))
        near = (1.25 * distance - 2.25) * distance**2 + 1
        far = -0.75 * (((distance - 5) * distance + 8) * distance - 4)
        weight = np.where(distance <= 1, near, far) if cubic else np.clip(1 - distance, 0, 1)
        np.add.at(weights, (np.arange(length), np.clip(first + tap, 0, size - 1)), weight)
    return weights


FROST = Corruption(
    "weather",
    {
        "imagenet": (
            Frost(1, 0.4, 1.1, True), Frost(0.8, 0.6, 1.1, True), Frost(0.7, 0.7, 1.1, True),
            Frost(0.65, 0.7, 1.1, True), Frost(0.6, 0.75, 1.1, True),
        ),
        "cifar": (
            Frost(1, 0.2, 0.2, False), Frost(1, 0.3, 0.2, False), Frost(0.9, 0.4, 0.2, False),
            Frost(0.85, 0.4, 0.2, False), Frost(0.75, 0.45, 0.2, False),
        ),
    },
    frost,
    _window,
    read_textures,
)  # fmt: skip
