"""Batches of images that are decoded while the step before them runs.

Which examples make which batch is a function of the step alone (`epoch_order`), so a resumed run
needs no state of an iterator, several hosts take their parts of the same batches, and a set in
memory gives the same batches.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.arrays import Split
from rtickets.data.records import INSTALL
from rtickets.data.splits import epoch_order
from rtickets.data.streamed import StreamedImages
from rtickets.errors import InputError

_CROPS = 3  # tells seeds of crops from those of orders and splits


class Batch(NamedTuple):
    """Images uint8 (B, H, W, C) and labels int32 (B,)."""

    images: np.ndarray
    labels: np.ndarray


class Host(NamedTuple):
    """Which part of every batch is this process's: the `index`-th of `count`."""

    index: int = 0
    count: int = 1


class TrainingOrder(NamedTuple):
    """Which example stands where, as a sequence over all positions of all steps of a host.

    Attributes:
        examples: number of training examples.
        batch_size: examples per step, over all hosts.
        seed: the run's seed.
        start: first step.
        stop: step after the last.
        host: whose part of the batches.
    """

    examples: int
    batch_size: int
    seed: int
    start: int
    stop: int
    host: Host = Host()

    @property
    def per_host(self) -> int:
        """Examples per step of this host."""
        return self.batch_size // self.host.count

    def __len__(self) -> int:  # type: ignore[override]
        """Return the number of positions."""
        return (self.stop - self.start) * self.per_host

    def place(self, position: int) -> tuple[int, int, int]:
        """Return (example, step, place in the whole batch) of a position."""
        step, local = divmod(position, self.per_host)
        place = self.host.index * self.per_host + local
        epoch, batch = divmod(self.start + step, self.examples // self.batch_size)
        order = _cached_order(self.examples, self.seed, epoch)
        return int(order[batch * self.batch_size + place]), self.start + step, place


@lru_cache(maxsize=2)
def _cached_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return epoch_order(examples, seed, epoch)


class _Training(NamedTuple):
    """Decodes the example at a position, as it is trained on."""

    split: Split
    order: TrainingOrder

    def __call__(self, position: int) -> tuple[np.ndarray, np.int32]:
        example, step, place = self.order.place(position)
        images = _streamed(self.split)
        seed = (_CROPS, self.order.seed, step, place)
        return images.training(example, seed), self.split.labels[example]


class _Evaluation(NamedTuple):
    """Decodes the example at a position, as it is evaluated."""

    split: Split

    def __call__(self, position: int) -> tuple[np.ndarray, np.int32]:
        return _streamed(self.split).evaluation(position), self.split.labels[position]


def training_batches(split: Split, order: TrainingOrder) -> Iterator[Batch]:
    """Decode the batches of a host, ahead of their use.

    Args:
        split: the training split, its images streamed.
        order: which examples, of which steps.

    Yields:
        One batch per step.

    Raises:
        InputError: naming the first image that cannot be decoded.
    """
    return _batches(_Training(split, order), range(len(order)), order.per_host, split)


def evaluation_batches(split: Split, positions: np.ndarray, batch_size: int) -> Iterator[Batch]:
    """Decode examples in a given order, as they are evaluated.

    Args:
        split: the split, its images streamed.
        positions: indices of examples, a multiple of the batch size.
        batch_size: examples per batch.

    Yields:
        One batch after the other.

    Raises:
        InputError: naming the first image that cannot be decoded.
    """
    return _batches(_Evaluation(split), positions, batch_size, split)


def _batches(decode: Callable[[int], Any], positions: Any, size: int, split: Split) -> Iterator[Batch]:
    """Decode in threads, which is as fast as in processes: decoding lets other threads run."""
    try:
        import grain
    except ImportError:
        raise InputError(f"data that is streamed from disk needs grain: {INSTALL}") from None
    options = grain.ReadOptions(
        num_threads=_streamed(split).workers, prefetch_buffer_size=max(2 * size, 64)
    )
    examples = grain.MapDataset.source(positions).map(lambda position: decode(int(position)))
    iterator = iter(examples.to_iter_dataset(options).batch(size, drop_remainder=True))
    try:
        for images, labels in iterator:
            yield Batch(images, labels)
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


def _streamed(split: Split) -> StreamedImages:
    assert isinstance(split.images, StreamedImages)
    return split.images
