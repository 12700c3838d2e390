"""JPEG compression: what a baseline file keeps of a picture, without the file.

As Pillow's default does, which is libjpeg's: the tables of the standard's Annex K scaled by the
quality, colour at half the size both ways, cosine transforms in integers of two fractional bits
between their passes, and colour enlarged by a triangle filter. Entropy coding loses nothing and is
left out. All of it is arithmetic of integers, as there; one value in some hundreds is one step off.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images.corruptions.corruption import Corruption

_LUMA = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def jpeg_compression(image: Array, quality: int, drawn: tuple[()]) -> Array:
    """Return an image as a JPEG file of it shows it.

    Args:
        image: float32 (H, W, C) in [0, 1]; rounded to 8 bits.
        quality: from 1 to 100.
        drawn: nothing.

    Returns:
        float32 (H, W, C), whole steps of 1/255.
    """
    del drawn
    pixels = jnp.round(image * 255).astype(jnp.int32)
    if image.shape[-1] == 1:
        return _coded(pixels[..., 0], _table(_LUMA, quality))[..., None] / 255.0
    luma, *chroma = _to_luma_and_chroma(pixels)
    luma = _coded(luma, _table(_LUMA, quality))
    height, width = luma.shape
    kept = -(-width // 2)  # enlarging looks at no column that was repeated
    blue, red = (
        _enlarged(_coded(_halved(plane), _table(_CHROMA, quality))[:, :kept])[:height, :width]
        for plane in chroma
    )
    return _to_colours(luma, blue - 128, red - 128) / 255.0


def _table(base: np.ndarray, quality: int) -> np.ndarray:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * scale + 50) // 100, 1, 255)


def _fixed(value: float) -> int:
    return int(value * 65536 + 0.5)


def _to_luma_and_chroma(pixels: Array) -> tuple[Array, Array, Array]:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    half = 1 << 15
    luma = _fixed(0.299) * red + _fixed(0.587) * green + _fixed(0.114) * blue + half
    middle = (128 << 16) + half - 1
    cb = -_fixed(0.168735892) * red - _fixed(0.331264108) * green + half * blue + middle
    cr = half * red - _fixed(0.418687589) * green - _fixed(0.081312411) * blue + middle
    return luma >> 16, cb >> 16, cr >> 16


def _to_colours(luma: Array, blue: Array, red: Array) -> Array:
    half = 1 << 15
    green = (-_fixed(0.344136286) * blue - _fixed(0.714136286) * red + half) >> 16
    channels = (
        luma + ((_fixed(1.402) * red + half) >> 16),
        luma + green,
        luma + ((_fixed(1.772) * blue + half) >> 16),
    )
    return jnp.clip(jnp.stack(channels, -1), 0, 255)


def _halved(plane: Array) -> Array:
    """Average 2 x 2 pixels; sums are rounded down and up in turn, so that nothing drifts."""
    height, width = plane.shape
    wide = 16 * -(-width // 16)  # columns are repeated before averaging, rows after
    plane = jnp.pad(plane, ((0, height % 2), (0, wide - width)), mode="edge")
    sums = plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]
    return (sums + 1 + np.arange(sums.shape[1]) % 2) >> 2


def _enlarged(plane: Array) -> Array:
    """Double both sides: three parts of the nearest pixel and one of the next."""
    above, below = (plane[_beside(plane.shape[0], step)] for step in (-1, 1))
    tall = jnp.stack([3 * plane + above, 3 * plane + below], 1)
    tall = tall.reshape(-1, plane.shape[1])
    before, after = (tall[:, _beside(plane.shape[1], step)] for step in (-1, 1))
    wide = jnp.stack([(3 * tall + before + 8) >> 4, (3 * tall + after + 7) >> 4], 2)
    return wide.reshape(tall.shape[0], -1)


def _beside(size: int, step: int) -> np.ndarray:
    return np.clip(np.arange(size) + step, 0, size - 1)


def _cosines() -> np.ndarray:
    """Return the cosine transform of 8 numbers as libjpeg's integers make it.

    That is 8192 sqrt(8) times the orthonormal one, in whole numbers that come from sums of rounded
    constants, and so differ by 1 from rounded cosines here and there.
    """
    halves = [
        (8192, 8192, 8192, 8192), (11363, 9633, 6437, 2260), (10703, 4433, -4433, -10703),
        (9633, -2259, -11362, -6436), (8192, -8192, -8192, 8192), (6437, -11362, 2261, 9633),
        (4433, -10704, 10704, -4433), (2260, -6436, 9633, -11363),
    ]  # fmt: skip
    odd = np.arange(8)[:, None] % 2
    left = np.array(halves, np.int32)
    return np.concatenate([left, (1 - 2 * odd) * left[:, ::-1]], 1).astype(np.int32)


def _transformed(matrix: np.ndarray, blocks: Array, axis: int, shift: int) -> Array:
    """Multiply one axis of integers by a matrix, and round after dividing by 2 to the shift."""
    values = jnp.moveaxis(blocks, axis, -1)[..., None, :] * matrix
    return jnp.moveaxis((values.sum(-1) + (1 << (shift - 1))) >> shift, -1, axis)


def _coded(plane: Array, table: np.ndarray) -> Array:
    """Transform a plane in blocks of 8 x 8, round by a table, and transform it back."""
    height, width = plane.shape
    rows, columns = -(-height // 8), -(-width // 8)
    padded = jnp.pad(plane, ((0, 8 * rows - height), (0, 8 * columns - width)), mode="edge")
    blocks = padded.reshape(rows, 8, columns, 8) - 128
    forward, steps = _cosines(), 8 * jnp.asarray(table, jnp.int32)[:, None, :]
    blocks = _transformed(forward, _transformed(forward, blocks, 3, 11), 1, 15)
    levels = jnp.sign(blocks) * ((abs(blocks) + steps // 2) // steps)  # of 8 times coefficients
    blocks = levels * (steps // 8)
    blocks = _transformed(forward.T, _transformed(forward.T, blocks, 1, 11), 3, 18)
    return jnp.clip(blocks + 128, 0, 255).reshape(padded.shape)[:height, :width]


JPEG_COMPRESSION = Corruption(
    "digital",
    {"imagenet": (25, 18, 15, 10, 7), "cifar": (80, 65, 58, 50, 40)},
    jpeg_compression,
)
