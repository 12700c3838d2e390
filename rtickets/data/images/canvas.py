"""Images of many sizes, and what their places hold, on canvases of one size.

Nothing is scaled: what is read lies in the top left corner, and the rest of the canvas is filled
with a value. So everything random happens on the device, to an image and its mask alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.data.images.on_demand import OnDemand
from rtickets.errors import InputError


@dataclass(frozen=True, eq=False)
class OnCanvas(OnDemand):
    """Files that look like an array (N, H, W, ...), read on demand.

    Indexing is lazy, see `rtickets.data.images.streamed.Streamed`.

    Attributes:
        read: number of a file -> uint8 (h, w, ...), h and w of any size.
        name: number of a file -> what errors call it.
        chosen: which of the files, int64 (N,).
        canvas: (H, W, ...) of every example.
        fill: what places outside an image hold.
        workers: threads that read.
    """

    read: Callable[[int], np.ndarray]
    name: Callable[[int], str]
    chosen: np.ndarray
    canvas: tuple[int, ...]
    fill: int = 0
    workers: int = 2

    @property
    def example_shape(self) -> tuple[int, ...]:
        """(H, W, ...) of every example."""
        return self.canvas

    def evaluation(self, index: int) -> np.ndarray:
        """Return one on its canvas, uint8 (H, W, ...)."""
        number = int(self.chosen[index])
        found = self.read(number)
        height, width = found.shape[:2]
        if height > self.canvas[0] or width > self.canvas[1]:
            raise InputError(
                f"{self.name(number)}: is {height}x{width}; images of this set have at most "
                f"{self.canvas[0]}x{self.canvas[1]} pixels, scale it down"
            )
        array = np.full(self.canvas, self.fill, np.uint8)
        array[:height, :width] = found
        return array

    def training(self, index: int, seed: Sequence[int]) -> np.ndarray:
        """Return what `evaluation` does: what is random is left to the device."""
        del seed
        return self.evaluation(index)


def extents_of(there: Array) -> Array:
    """Return up to which row and column anything of an image counts, int32 (B, 2).

    It is the height and width of images that lie in the corner of a canvas, but for a rim that
    does not count; all of the canvas where nothing does.

    Args:
        there: bool (B, H, W).
    """
    sides = []
    for axis, size in zip((2, 1), there.shape[1:], strict=True):
        any_there = there.any(axis)
        last = jnp.where(any_there, jnp.arange(1, size + 1), 0).max(1)
        sides.append(jnp.where(last > 0, last, size))
    return jnp.stack(sides, 1)


def extents_or_whole(images: Array, extents: Array | None) -> Array:
    """Return heights and widths inside of which images (B, H, W, ...) are cut, (B, 2)."""
    if extents is not None:
        return extents
    return jnp.broadcast_to(jnp.array(images.shape[1:3]), (len(images), 2))
