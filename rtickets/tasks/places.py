"""Which place of a head of FCOS is to see which object (Tian et al. 2019), and what it says of it.

A place answers for a box of which it lies near the middle, if the box has a size that is its
level's; of several boxes for the smallest. Everything has a static shape: places are those of the
levels, one after the other, and boxes are padded.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images.moved_boxes import area

_NEAR = 1.5  # places, along each axis, that a place may lie away from the middle of its box
_REACH = 8.0  # places: the longest distance to a side that a level is for; the last knows no limit
_TINY = 1e-9


class Places(NamedTuple):
    """P places of all levels, NumPy arrays.

    Attributes:
        middles: float32 (P, 2): down and right, in pixels.
        strides: float32 (P, 2): pixels from a place to the next, down and right.
        low: float32 (P,): what the longest distance to a side of a place's box exceeds, in pixels.
        high: float32 (P,): what it does not exceed.
    """

    middles: np.ndarray
    strides: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Targets(NamedTuple):
    """What the places of B images should answer.

    Attributes:
        classes: int32 (B, P): the class of the object that a place is to see, -1 for none.
        boxes: float32 (B, P, 4): its box, zeros for none.
        centre: float32 (B, P): 1 in the middle of the box, 0 at its sides.
        counted: bool (B, P): whether the scores of the classes are judged: not in a crowd.
    """

    classes: Array
    boxes: Array
    centre: Array
    counted: Array

    @property
    def seeing(self) -> Array:
        """Which places are to see an object, bool (B, P)."""
        return self.classes >= 0


def places_of(grids: Sequence[tuple[int, int]], size: tuple[int, int]) -> Places:
    """Return the places of levels.

    Args:
        grids: number of places down and right of every level, from fine to coarse.
        size: (height, width) of the image.
    """
    parts, low = [], 0.0
    for number, grid in enumerate(grids):
        stride = np.divide(size, grid)
        rows, columns = np.meshgrid(*(np.arange(each) + 0.5 for each in grid), indexing="ij")
        middles = np.stack([rows.ravel(), columns.ravel()], -1) * stride
        high = np.inf if number == len(grids) - 1 else _REACH * float(stride.max())
        count = len(middles)
        limits = (np.full(count, each, np.float32) for each in (low, high))
        strides = np.tile(stride, (count, 1)).astype(np.float32)
        parts.append(Places(middles.astype(np.float32), strides, *limits))
        low = high
    return Places(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def assigned(places: Places, boxes: Array, classes: Array, crowd: Array) -> Targets:
    """Return what places should answer.

    Args:
        boxes: float32 (B, N, 4) in pixels, empty where there is none.
        classes: int32 (B, N), -1 likewise.
        crowd: bool (B, N): boxes in which nothing is judged.
    """
    sides = _distances(places.middles[:, None], boxes[:, None])  # (B, P, N, 4)
    inside = sides.min(-1) > 0
    there = (classes >= 0) & (area(jnp, boxes) > 0)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    away = jnp.abs(places.middles[:, None] - middle[:, None]) / places.strides[:, None]
    longest = sides.max(-1)
    level = (longest > places.low[:, None]) & (longest <= places.high[:, None])
    real = (there & ~crowd)[:, None]
    possible = inside & (away.max(-1) < _NEAR) & level & real
    size = jnp.where(possible, area(jnp, boxes)[:, None], jnp.inf)
    chosen, seeing = size.argmin(-1), possible.any(-1)
    own = jnp.take_along_axis(boxes, chosen[..., None], 1)
    own = jnp.where(seeing[..., None], own, 0)
    named = jnp.where(seeing, jnp.take_along_axis(classes, chosen, 1), -1)
    crowded = (inside & (there & crowd)[:, None]).any(-1)
    return Targets(named, own, _centre(places, own, seeing), seeing | ~crowded)


def boxes_at(places: Places, distances: Array) -> Array:
    """Return the boxes (..., P, 4) in pixels whose sides are so many places away from theirs."""
    pixels = distances * jnp.concatenate([places.strides, places.strides], -1)
    middles = jnp.concatenate([places.middles, places.middles], -1)
    return middles + pixels * jnp.array([-1.0, -1, 1, 1])


def _distances(middles: np.ndarray, boxes: Array) -> Array:
    """Return how far the sides of boxes lie from places, negative where these lie outside."""
    return jnp.concatenate([middles - boxes[..., :2], boxes[..., 2:] - middles], -1)


def _centre(places: Places, boxes: Array, seeing: Array) -> Array:
    sides = jnp.maximum(_distances(places.middles, boxes), _TINY)
    one, other = sides[..., :2], sides[..., 2:]
    ratio = jnp.minimum(one, other) / jnp.maximum(one, other)
    return jnp.where(seeing, jnp.sqrt(ratio[..., 0] * ratio[..., 1]), 0)
