"""Resizing of parts of images by separable filters, as matrix products on the device.

The weights are those of common image libraries with antialiasing: a triangle or Keys' cubic with
a = -1/2, stretched by the scale when shrinking, cut off at the edge of the box and normalised. A
library that rounds to 8 bits between its two passes differs by less than 1/255 on average.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

Method = Literal["bilinear", "bicubic"]


def resize(images: Array, size: tuple[int, int], method: Method = "bilinear") -> Array:
    """Stretch whole images, float (B, H, W, C), to (height, width).

    'bicubic' may leave the range of its input.
    """
    rows = weights(images.shape[1], size[0], 0, images.shape[1], method)
    columns = weights(images.shape[2], size[1], 0, images.shape[2], method)
    return _apply("bhwc", images, rows, columns)


def resize_box(image: Array, box: Array, size: tuple[int, int], method: Method) -> Array:
    """Cut a box out of an image, float (H, W, C), and stretch it to (height, width).

    Pixels outside the box play no part. It is integers (4,): top, left, height, width, inside the
    image, and may be traced.
    """
    rows = weights(image.shape[0], size[0], box[0], box[2], method)
    columns = weights(image.shape[1], size[1], box[1], box[3], method)
    return _apply("hwc", image, rows, columns)


def resize_window(image: Array, window: Array, size: tuple[int, int], method: Method) -> Array:
    """Stretch a window on an image, float (H, W, C), to (height, width), 0 outside the image.

    The window is floats (4,): top, left, height, width; it may reach outside the image, may lie
    between pixels, and may be traced. Pixels beside it count as far as the filter reaches.
    """
    rows, columns = (
        _window_weights(image.shape[axis], size[axis], window[axis], window[2 + axis], method)
        for axis in (0, 1)
    )
    return _apply("hwc", image, rows, columns)


def nearest_window(values: Array, window: Array, size: tuple[int, int], fill: int) -> Array:
    """Do what `resize_window` does to what is not mixed, (H, W, ...), `fill` outside."""
    places = [
        jnp.floor(_centres(size[axis], window[axis], window[2 + axis])).astype(jnp.int32)
        for axis in (0, 1)
    ]
    inside = [(each >= 0) & (each < n) for each, n in zip(places, values.shape, strict=False)]
    rows, columns = (
        jnp.clip(each, 0, n - 1) for each, n in zip(places, values.shape, strict=False)
    )
    kept = (inside[0][:, None] & inside[1]).reshape(*size, *[1] * (values.ndim - 2))
    return jnp.where(kept, values[rows][:, columns], jnp.asarray(fill, values.dtype))


def nearest_box(values: Array, box: Array, size: tuple[int, int]) -> Array:
    """Do what `resize_box` does to what is not mixed, (H, W, ...): take the nearest place's."""
    rows, columns = (
        jnp.floor(box[axis] + (jnp.arange(size[axis]) + 0.5) * box[2 + axis] / size[axis])
        for axis in (0, 1)
    )
    return values[rows.astype(jnp.int32)][:, columns.astype(jnp.int32)]


def weights(
    size_in: int, size_out: int, start: Array | int, length: Array | int, method: Method
) -> Array:
    """Return how output pixels are made of input pixels, along one axis.

    Args:
        start: first pixel of the part that is resized; may be traced.
        length: number of its pixels; may be traced.

    Returns:
        float32 (size_out, size_in), rows adding up to 1.
    """
    pixels = jnp.arange(size_in)
    inside = (pixels >= start) & (pixels < start + length)
    found = jnp.where(inside, _filter(size_in, size_out, start, length, method), 0)
    return found / found.sum(1, keepdims=True)


def _window_weights(
    size_in: int, size_out: int, start: Array, length: Array, method: Method
) -> Array:
    """Return what `weights` does; rows whose centre lies outside are 0."""
    found = _filter(size_in, size_out, start, length, method)
    centres = _centres(size_out, start, length)[:, None]
    total = found.sum(1, keepdims=True)
    inside = (centres >= 0) & (centres < size_in)
    return jnp.where(inside, found / jnp.where(inside, total, 1), 0)


def _filter(
    size_in: int, size_out: int, start: Array | int, length: Array | int, method: Method
) -> Array:
    """Return the filter of every output pixel at every input pixel, (size_out, size_in)."""
    # Shrinking stretches the filter over all pixels that become one, against aliasing.
    wide = jnp.maximum(jnp.asarray(length, jnp.float32) / size_out, 1)
    distance = jnp.arange(size_in) + 0.5 - _centres(size_out, start, length)[:, None]
    return _KERNELS[method](jnp.abs(distance / wide))


def _centres(size_out: int, start: Array | int, length: Array | int) -> Array:
    """Return where the centres of output pixels lie among input pixels, (size_out,)."""
    return start + (jnp.arange(size_out) + 0.5) * (jnp.asarray(length, jnp.float32) / size_out)


def _triangle(x: Array) -> Array:
    return jnp.maximum(1 - x, 0)


def _cubic(x: Array) -> Array:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return jnp.where(x < 1, near, jnp.where(x < 2, far, 0))


_KERNELS = {"bilinear": _triangle, "bicubic": _cubic}


def _apply(axes: str, images: Array, rows: Array, columns: Array) -> Array:
    # in full precision: accelerators would multiply in 16 or 19 bits otherwise
    highest = jax.lax.Precision.HIGHEST
    tall = jnp.einsum(f"{axes},yh->{axes.replace('h', 'y')}", images, rows, precision=highest)
    wide = axes.replace("h", "y")
    return jnp.einsum(f"{wide},xw->{wide.replace('w', 'x')}", tall, columns, precision=highest)
