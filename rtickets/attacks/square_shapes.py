"""Where the Square attack changes an image, and the pictures that it puts there."""

import math
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.projections import Norm

SCHEDULED = 10_000  # queries that the published schedule is made for
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_DECAY = {"l2": 2, "l1": 4}  # powers of the bumps; that for l1 of Croce & Hein 2021


def level_of(iteration: Array, num_queries: int) -> Array:
    """Return how often, 0 to 9 times, the share of changed pixels has been halved.

    The published schedule, made for 10,000 queries, is rescaled to their number (Andriushchenko et
    al. 2020). `iteration` is int32 (B,), proposals made before.
    """
    starts = [-(-(after + 1) * num_queries // SCHEDULED) for after in _HALVINGS]
    return (iteration[:, None] >= jnp.asarray(starts)).sum(1)


def window_sizes(height: int, width: int, p_init: float, *, odd: bool) -> tuple[int, ...]:
    """Return the side in pixels of the window at every level.

    Args:
        p_init: share of the pixels in the first window.
        odd: round up to odd sides of at least 3, which bumps need.
    """
    sizes = []
    for level in range(len(_HALVINGS) + 1):
        size = max(round(math.sqrt(p_init / 2**level * height * width)), 3 if odd else 1)
        sizes.append(min(size + (odd and size % 2 == 0), height, width))
    return tuple(sizes)


class Window(NamedTuple):
    """A square of every image.

    Attributes:
        rows: int32 (B, H), numbers of the rows counted from the square's top.
        columns: int32 (B, W), numbers of the columns counted from its left edge.
        size: int32 (B,), its side.
    """

    rows: Array
    columns: Array
    size: Array

    def inside(self) -> Array:
        """Return the mask of the square, bool (B, H, W, 1)."""
        size = self.size[:, None]
        rows = (self.rows >= 0) & (self.rows < size)
        columns = (self.columns >= 0) & (self.columns < size)
        return rows[:, :, None, None] & columns[:, None, :, None]


def place(uniform: Array, size: Array, height: int, width: int) -> Window:
    """Return a square of a side (B,) at a random place, by (B, 2) numbers uniform in [0, 1).

    As in the authors' code, which published accuracies come from, only a square that fills a side
    reaches its last row or column; the paper, Algorithm 2, allows them to all. Every other place
    where it fits is as likely.
    """
    room = jnp.maximum(jnp.stack([height - size, width - size], 1), 1)
    corner = (uniform * room).astype(jnp.int32)
    return Window(jnp.arange(height) - corner[:, :1], jnp.arange(width) - corner[:, 1:], size)


def _profiles(size: int, norm: Norm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three vectors (size,) of which a bump is made.

    A bump has a positive upper and a negative lower half. In each half the value at a distance d
    from its middle, in the maximum norm, is the sum of n ** -decay for n = d + 1 ... size // 2 + 1.
    The sum falls with d, so that it is the smaller one of the sums for the vertical and for the
    horizontal distance: of the first and of the second vector. The third are signs and scales of
    the rows, which give both halves the same norm and the bump a norm of 1.
    """
    decay, exponent = _DECAY[norm], 2 if norm == "l2" else 1
    terms = np.arange(1, size // 2 + 2, dtype=np.float64) ** -decay
    sums = np.cumsum(terms[::-1])[::-1]
    index, top = np.arange(size), size // 2
    upper = index < top
    vertical = sums[np.abs(index - np.where(upper, top // 2, top + (size - top) // 2))]
    horizontal = sums[np.abs(index - top)]
    mass = (np.minimum(vertical[:, None], horizontal) ** exponent).sum(1)
    halves = np.where(upper, mass[upper].sum(), mass[~upper].sum()) * (1 if size == 1 else 2)
    return vertical, horizontal, np.where(upper, 1, -1) / halves ** (1 / exponent)


def bump(size: int, norm: Norm) -> np.ndarray:
    """Return the picture that goes into a window (Andriushchenko et al. 2020, Algorithm 3).

    It is float32 (size, size) with a norm ('l2' or 'l1') of 1, the positive half on top.
    """
    vertical, horizontal, scale = _profiles(size, norm)
    return (np.minimum(vertical[:, None], horizontal) * scale[:, None]).astype(np.float32)


@lru_cache(maxsize=16)
def _tables(sizes: tuple[int, ...], norm: Norm) -> np.ndarray:
    """Return profiles and scales, float32 (2 of them, 2 ways to lie, levels, largest size)."""
    tables = np.zeros((2, 2, len(sizes), max(sizes)), np.float32)
    for level, size in enumerate(sizes):
        vertical, horizontal, scale = _profiles(size, norm)
        tables[0, :, level, :size] = horizontal, vertical
        tables[1, :, level, :size] = np.ones(size), scale
    return tables


def bumps(window: Window, level: Array, flat: Array, sizes: tuple[int, ...], norm: Norm) -> Array:
    """Draw the pictures of `bump` into windows: float32 (B, H, W, 1), zero outside of them.

    Args:
        level: int32 (B,), indices into `sizes`, the sides of windows.
        flat: int32 (B,), 1 where the halves lie above each other, 0 where side by side.
    """
    profiles, scales = jnp.asarray(_tables(sizes, norm))

    def along(offsets: Array, halved: Array) -> tuple[Array, Array]:
        here = (offsets >= 0) & (offsets < window.size[:, None])
        index = halved[:, None], level[:, None], jnp.clip(offsets, 0, max(sizes) - 1)
        return jnp.where(here, profiles[index], 0), scales[index]

    rows, row_scale = along(window.rows, flat)
    columns, column_scale = along(window.columns, 1 - flat)
    heights = jnp.minimum(rows[:, :, None], columns[:, None, :])
    return (heights * row_scale[:, :, None] * column_scale[:, None, :])[..., None]
