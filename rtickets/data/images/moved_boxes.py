"""Boxes around objects, as they move with their images.

A box is (top, left, bottom, right) in pixels, float32. One whose sides are not positive is empty:
there is no object. Functions take the array module, so that one rule serves compiled steps and
workers that decode, and boxes (..., 4).
"""

from typing import Any

_LEAST = 0.25  # part of a box's area that must lie in the image, for the object to be in it


def stretched(xp: Any, boxes: Any, window: Any, size: tuple[int, int]) -> Any:
    """Return boxes as they lie once a window of their image is brought to (height, width).

    Args:
        window: top, left, height and width of the part of the image that is seen.
    """
    top, left, height, width = (window[index] for index in range(4))
    down, across = size[0] / height, size[1] / width
    moved = shifted(xp, boxes, -top, -left)
    edges = (moved[..., index] * (across if index % 2 else down) for index in range(4))
    return xp.stack(list(edges), -1)


def shifted(xp: Any, boxes: Any, down: Any, right: Any) -> Any:
    """Return boxes moved by so many pixels."""
    edges = (boxes[..., index] + (right if index % 2 else down) for index in range(4))
    return xp.stack(list(edges), -1)


def mirrored(xp: Any, boxes: Any, width: int) -> Any:
    """Return boxes of an image of a width that was flipped from left to right."""
    top, left, bottom, right = (boxes[..., index] for index in range(4))
    return xp.stack([top, width - right, bottom, width - left], -1)


def clipped(xp: Any, boxes: Any, size: tuple[int, int], least: Any = 0.0) -> Any:
    """Return what lies of boxes in an image of a (height, width).

    A box is zeros where nothing of it does, or less than a part of its area, `least` (...).
    """
    ends = xp.asarray([*size, *size], boxes.dtype)
    inside = xp.minimum(xp.maximum(boxes, 0), ends)
    there = area(xp, inside)
    # Said so that an area that overflows, times 0, loses no box.
    kept = (there > 0) & ~(there < least * area(xp, boxes))
    return xp.where(kept[..., None], inside, xp.zeros_like(inside))


def still_there(xp: Any, boxes: Any, size: tuple[int, int], crowd: Any = False) -> Any:
    """Return what lies of true boxes in an image of a (height, width), see `clipped`.

    An object of which less than a quarter does is not in the image. What is left of a `crowd`,
    bool (...), stays however little it is, so that answers on it are not wrong.
    """
    return clipped(xp, boxes, size, xp.where(xp.asarray(crowd), 0.0, _LEAST))


def area(xp: Any, boxes: Any) -> Any:
    """Return the areas of boxes, 0 of empty ones."""
    sides = xp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]
