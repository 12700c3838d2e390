"""The fifteen common corruptions by name, and how a batch is corrupted."""

import difflib
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.images.corruptions.blur import DEFOCUS_BLUR, MOTION_BLUR, ZOOM_BLUR
from rtickets.data.images.corruptions.corruption import (
    SEVERITIES,
    TABLES,
    Corruption,
    Shape,
    Table,
)
from rtickets.data.images.corruptions.digital import CONTRAST, ELASTIC_TRANSFORM, PIXELATE
from rtickets.data.images.corruptions.frost import FROST
from rtickets.data.images.corruptions.glass import GLASS_BLUR
from rtickets.data.images.corruptions.jpeg import JPEG_COMPRESSION
from rtickets.data.images.corruptions.noise import GAUSSIAN_NOISE, IMPULSE_NOISE, SHOT_NOISE
from rtickets.data.images.corruptions.weather import BRIGHTNESS, FOG, SNOW
from rtickets.errors import InputError

CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": GAUSSIAN_NOISE,
    "shot_noise": SHOT_NOISE,
    "impulse_noise": IMPULSE_NOISE,
    "defocus_blur": DEFOCUS_BLUR,
    "glass_blur": GLASS_BLUR,
    "motion_blur": MOTION_BLUR,
    "zoom_blur": ZOOM_BLUR,
    "snow": SNOW,
    "frost": FROST,
    "fog": FOG,
    "brightness": BRIGHTNESS,
    "contrast": CONTRAST,
    "elastic_transform": ELASTIC_TRANSFORM,
    "pixelate": PIXELATE,
    "jpeg_compression": JPEG_COMPRESSION,
}

SMALLEST = 8  # pixels a side


def get_corruption(name: str) -> Corruption:
    """Return a corruption by its name.

    Raises:
        InputError: if there is none of that name.
    """
    if name not in CORRUPTIONS:
        close = difflib.get_close_matches(name, CORRUPTIONS, n=2)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise InputError(
            f"corruption {name!r} is unknown{hint}; choose one of {', '.join(CORRUPTIONS)}"
        )
    return CORRUPTIONS[name]


def constant_of(name: str, severity: int, table: Table = "imagenet") -> Any:
    """Return what a severity stands for.

    Raises:
        InputError: if there is no such corruption, severity or table.
    """
    corruption = get_corruption(name)
    if table not in TABLES:
        raise InputError(f"table={table!r} is unknown; choose one of {', '.join(TABLES)}")
    if severity not in SEVERITIES:
        raise InputError(f"severity={severity!r} is none; choose one of 1, 2, 3, 4, 5")
    return corruption.constants[table][severity - 1]


def check_shape(shape: Shape) -> None:
    """Check that pictures of a shape (height, width, channels) can be corrupted.

    Raises:
        InputError: if they are too small, or neither grey nor of three channels.
    """
    if min(shape[:2]) < SMALLEST or shape[2] not in (1, 3):
        raise InputError(
            f"pictures of {shape[0]}x{shape[1]} pixels and {shape[2]} channels cannot be "
            f"corrupted; they need at least {SMALLEST} pixels a side and 1 or 3 channels"
        )


def read_files(name: str, severity: int, table: Table, shape: Shape) -> tuple[Any, ...]:
    """Return the arrays that a corruption reads from disk, to be read once for many batches.

    Raises:
        InputError: if there is no such corruption, or a file is missing.
    """
    constant, files = constant_of(name, severity, table), get_corruption(name).files
    return () if files is None else (files(shape, constant),)


def corrupt(
    images: Array,
    keys: Array,
    name: str,
    severity: int,
    table: Table = "imagenet",
    files: tuple[Any, ...] | None = None,
) -> Array:
    """Corrupt a batch.

    Args:
        images: float32 (B, H, W, C) in [0, 1].
        keys: typed PRNG keys (B,), one an example.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        table: 'imagenet' or 'cifar', whose constants the severities have.
        files: what `read_files` gave; None reads them.

    Returns:
        float32 (B, H, W, C) in [0, 1], cut to whole steps of 1/255, as published sets are stored.

    Raises:
        InputError: if there is no such corruption, severity or table, the images cannot be
            corrupted, or a file is missing.
    """
    if images.ndim != 4 or not jnp.issubdtype(images.dtype, jnp.floating):
        raise InputError(
            f"images of shape {images.shape} and dtype {images.dtype} cannot be corrupted; they "
            "need to be floating (B, H, W, C) in [0, 1]"
        )
    height, width, channels = images.shape[1:]
    check_shape((height, width, channels))
    if files is None:
        files = read_files(name, severity, table, (height, width, channels))
    return _corrupted(images, keys, files, name, severity, table)


@partial(jax.jit, static_argnames=("name", "severity", "table"))
def _corrupted(
    images: Array, keys: Array, files: tuple[Any, ...], name: str, severity: int, table: Table
) -> Array:
    corruption, constant = get_corruption(name), constant_of(name, severity, table)

    def one(image: Array, key: Array) -> Array:
        height, width, channels = image.shape
        drawn = corruption.draws(key, (height, width, channels), constant)
        return corruption.apply(image, constant, drawn, *files)

    pictures = jax.vmap(one)(images.astype(jnp.float32), keys)
    # A value that rounding left just below a step is that step: 1e-3 of one is not seen.
    return jnp.floor(pictures * 255 + 1e-3) / 255
