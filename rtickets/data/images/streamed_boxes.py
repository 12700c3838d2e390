"""Boxes in images that stay encoded on disk, as they move with these when they are decoded."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtickets.data.images import boxes, moved_boxes
from rtickets.data.images.views import View


@dataclass(frozen=True, eq=False)
class StreamedBoxes:
    """Boxes that look like a float32 array (N, M, 4), in pixels of the decoded images.

    Indexing is lazy, see `rtickets.data.images.streamed.Streamed`.

    Attributes:
        stored: float32 (F, M, 4), in pixels of the image files.
        sizes: integers (F, 2), heights and widths of these.
        crowd: bool (F, M), those around crowds.
        chosen: which of the files, int64 (N,).
        view: how the images become arrays.
        workers: threads.
    """

    stored: np.ndarray
    sizes: np.ndarray
    crowd: np.ndarray
    chosen: np.ndarray
    view: View
    workers: int = 1

    dtype = np.dtype(np.float32)
    ndim = 3

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, M, 4)."""
        return (len(self.chosen), *self.stored.shape[1:])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.chosen)

    def __getitem__(self, part: Any) -> "StreamedBoxes":
        """Return those of some of the images, by a slice or an array of indices."""
        return dataclasses.replace(self, chosen=np.atleast_1d(self.chosen[part]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all, as they are evaluated."""
        del copy
        array = np.empty(self.shape, np.float32)
        for index in range(len(self)):
            array[index] = self.evaluation(index)
        return array if dtype is None else array.astype(dtype)

    def evaluation(self, index: int) -> np.ndarray:
        """Return the boxes in an image as it is evaluated, float32 (M, 4)."""
        found, shape = self._stored(index)
        size, resize = self.view.size, self.view.resize
        if size is None:
            return found
        if not resize:
            return self._clipped(
                index, moved_boxes.stretched(np, found, (0, 0, *shape), size), size
            )
        scaled = boxes.short_side(shape, resize)
        top, left = boxes.centre(scaled, size)
        found = moved_boxes.stretched(np, found, (0, 0, *shape), scaled)
        return self._clipped(index, moved_boxes.shifted(np, found, -top, -left), size)

    def training(self, index: int, seed: Sequence[int]) -> np.ndarray:
        """Return the boxes in an image as it is trained on, of the same seed, float32 (M, 4)."""
        if self.view.size is None or self.view.random_crop is None:
            return self.evaluation(index)
        found, shape = self._stored(index)
        window = self.view.cut(shape, np.random.default_rng(list(seed)))
        found = moved_boxes.stretched(np, found, window, self.view.size)
        return self._clipped(index, found, self.view.size)

    def _stored(self, index: int) -> tuple[np.ndarray, tuple[int, int]]:
        number = int(self.chosen[index])
        height, width = self.sizes[number].tolist()
        return self.stored[number], (height, width)

    def _clipped(self, index: int, found: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        crowd = self.crowd[int(self.chosen[index])]
        return np.asarray(moved_boxes.still_there(np, found, size, crowd), np.float32)
