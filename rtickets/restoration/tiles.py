"""Pictures taken apart into tiles that overlap, and put together again without seams."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Tile(NamedTuple):
    """A part of a picture.

    Attributes:
        rows: the first, and the one after the last.
        columns: likewise.
        overlap: pixels that it shares with its neighbours.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    overlap: int

    @property
    def shape(self) -> tuple[int, int]:
        """Its height and width."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def of(self, batch: Any) -> Any:
        """Return this part of arrays (B, H, W, C)."""
        return batch[:, slice(*self.rows), slice(*self.columns)]

    def weights(self) -> np.ndarray:
        """Return how much its pixels count where tiles overlap, (h, w, 1), falling to the edge."""
        rows, columns = (_slope(length, self.overlap) for length in self.shape)
        return (rows[:, None] * columns)[..., None]


def tiles_of(shape: Sequence[int], side: int, overlap: int) -> list[Tile]:
    """Return tiles of at most side x side pixels that cover a picture (H, W), all about alike."""
    rows, columns = (_cuts(length, side, overlap) for length in shape)
    return [Tile(row, column, overlap) for row in rows for column in columns]


def joined(tiles: Sequence[Tile], parts: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Return the picture of a shape (H, W, C), tiles blended where they overlap."""
    total, weight = np.zeros(shape), np.zeros((*shape[:2], 1))
    for tile, part in zip(tiles, parts, strict=True):
        place = (slice(*tile.rows), slice(*tile.columns))
        total[place] += tile.weights() * part
        weight[place] += tile.weights()
    return (total / weight).astype(np.float32)


def _cuts(length: int, side: int, overlap: int) -> list[tuple[int, int]]:
    count = 1 if length <= side else -(-(length - overlap) // (side - overlap))
    own = min(length, -(-(length + (count - 1) * overlap) // count))
    starts = np.linspace(0, length - own, count).round().astype(int)
    return [(int(start), int(start) + own) for start in starts]


def _slope(length: int, overlap: int) -> np.ndarray:
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1.0
    return np.minimum(distance / (overlap + 1), 1.0)
