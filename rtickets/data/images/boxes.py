"""Which part of an image a random or a centre crop takes, on the device or the host.

Functions take the array module, so that one rule serves compiled steps and workers that decode.
"""

import math
from typing import Any

from rtickets.errors import InputError

ATTEMPTS = 10  # as common libraries; then the largest centred box of a permitted shape
RATIO = (3 / 4, 4 / 3)
_LONGEST = 1 << 16  # pixels of a side; a strip of one pixel would fill the memory when scaled up


def random_box(
    xp: Any,
    shape: tuple[int, int],
    shapes: Any,
    place: Any,
    scale: tuple[float, float],
) -> Any:
    """Return the box of a random resized crop (Szegedy et al. 2015).

    Args:
        xp: `numpy` or `jax.numpy`.
        shape: (height, width) of the image.
        shapes: (ATTEMPTS, 2) uniform in [0, 1): the area and the logarithm of the aspect ratio of
            one attempt each.
        place: (2,) uniform in [0, 1): where the box lies.
        scale: smallest and largest part of the image's area.

    Returns:
        int32 (4,): top, left, height, width, inside the image.
    """
    height, width = shape
    area = height * width * (scale[0] + shapes[:, 0] * (scale[1] - scale[0]))
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = xp.exp(low + shapes[:, 1] * (high - low))
    widths = xp.round(xp.sqrt(area * ratio)).astype(xp.int32)
    heights = xp.round(xp.sqrt(area / ratio)).astype(xp.int32)
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    # All attempts are drawn at once: a loop until one fits would not compile.
    first = xp.argmax(fits)
    size = xp.stack([heights[first], widths[first]])
    spare = xp.asarray(shape, xp.int32) - size
    corner = xp.minimum(xp.floor(place * (spare + 1)).astype(xp.int32), spare)
    drawn = xp.concatenate([corner, size])
    return xp.where(fits.any(), drawn, xp.asarray(_largest_box(height, width), xp.int32))


def random_window(
    xp: Any,
    shape: Any,
    size: tuple[int, int],
    part: Any,
    place: Any,
    scale: tuple[float, float],
) -> Any:
    """Return the window on an image that is cut out of it once it is scaled at random.

    Args:
        xp: `numpy` or `jax.numpy`.
        shape: (height, width) of the image, which may be traced.
        size: (height, width) of what is cut out of the scaled image. Where that is smaller, it lies
            at a random place in the window, which reaches outside of it.
        part: uniform in [0, 1): the factor, between the ends of `scale`.
        place: (2,) uniform in [0, 1): where the window lies.
        scale: smallest and largest factor.

    Returns:
        float32 (4,): top, left, height, width in pixels of the image before scaling.
    """
    factor = scale[0] + part * (scale[1] - scale[0])
    wanted = xp.asarray(size, xp.float32) / factor
    corner = place * (xp.asarray(shape, xp.float32) - wanted)
    return xp.concatenate([corner, wanted]).astype(xp.float32)


def _largest_box(height: int, width: int) -> tuple[int, int, int, int]:
    """Return the largest centred box whose aspect ratio is permitted."""
    box_height = min(height, round(width / RATIO[0]))
    box_width = min(width, round(height * RATIO[1]))
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width


def short_side(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the (height, width) of an image scaled so that its short side has a length.

    Raises:
        InputError: if its long side would be longer than any image's.
    """
    height, width = shape
    if side * max(shape) > _LONGEST * min(shape):
        raise InputError(
            f"{height}x{width} pixels cannot be scaled to a short side of {side}: the long side "
            f"would have more than {_LONGEST:,}; cut it, or set data.resize=0 to stretch it"
        )
    if height < width:
        return side, int(side * width / height)
    return int(side * height / width), side


def centre(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the (top, left) of a centre crop."""
    return round((shape[0] - size[0]) / 2), round((shape[1] - size[1]) / 2)
