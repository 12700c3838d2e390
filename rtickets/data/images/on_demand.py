"""What looks like an array of uint8 and is read file by file when it is looked at."""

import dataclasses
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np


class OnDemand(ABC):
    """The part of `rtickets.data.images.streamed.Streamed` that all kinds of files share.

    A kind is a frozen dataclass with the fields `chosen`, which of its files, int64 (N,), and
    `workers`, threads that read. Indexing is lazy; `numpy.asarray` reads, as in an evaluation.
    """

    chosen: np.ndarray
    workers: int

    dtype = np.dtype(np.uint8)

    @property
    @abstractmethod
    def example_shape(self) -> tuple[int, ...]:
        """(H, W, ...) of every example."""

    @abstractmethod
    def evaluation(self, index: int) -> np.ndarray:
        """Return one as it is evaluated, uint8 (H, W, ...)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, ...)."""
        return (len(self.chosen), *self.example_shape)

    @property
    def ndim(self) -> int:
        """The number of axes, that of examples among them."""
        return 1 + len(self.example_shape)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.chosen)

    def __getitem__(self, part: Any) -> Self:
        """Return some of them, by a slice or an array of indices, still on disk."""
        assert dataclasses.is_dataclass(self)
        return dataclasses.replace(self, chosen=np.atleast_1d(self.chosen[part]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all."""
        del copy
        array = np.empty(self.shape, np.uint8)
        with ThreadPoolExecutor(self.workers) as pool:
            for index, found in enumerate(pool.map(self.evaluation, range(len(self)))):
                array[index] = found
        return array if dtype is None else array.astype(dtype)
