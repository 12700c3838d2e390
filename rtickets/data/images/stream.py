"""Batches of images that are decoded while the step before them runs.

Which examples make which batch is a function of the step alone (`epoch_order`), so a resumed run
needs no state of an iterator, several hosts take their parts of the same batches, and a set in
memory gives the same batches.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rtickets.data.arrays import Split
from rtickets.data.images.records import INSTALL
from rtickets.data.images.streamed import Streamed
from rtickets.data.splits import epoch_order
from rtickets.errors import InputError

_ALIGNED = 64  # bytes
_CROPS = 3  # tells seeds of crops from those of orders and splits


Batch = dict[str, np.ndarray]
"""The arrays of a split for some examples (B, ...), decoded: images are uint8 (B, H, W, C)."""


@dataclass(frozen=True)
class TrainingOrder:
    """Which example stands where, as a sequence over all positions of all steps of a host.

    Attributes:
        examples: number of training examples.
        batch_size: examples per step, over all hosts.
        seed: the run's seed.
        start: first step.
        stop: step after the last.
        places: of this host's examples in every batch, in their order; None is all of them.
        replays: steps in a row that take the same batch.
    """

    examples: int
    batch_size: int
    seed: int
    start: int
    stop: int
    places: Sequence[int] | None = None
    replays: int = 1

    @property
    def per_host(self) -> int:
        """Examples per step of this host."""
        return self.batch_size if self.places is None else len(self.places)

    def __len__(self) -> int:
        """Return the number of positions."""
        return (self.stop - self.start) * self.per_host

    def place(self, position: int) -> tuple[int, int, int]:
        """Return (example, number of the batch, place in the whole batch) of a position."""
        step, local = divmod(position, self.per_host)
        place = local if self.places is None else self.places[local]
        number = (self.start + step) // self.replays
        epoch, batch = divmod(number, self.examples // self.batch_size)
        order = _cached_order(self.examples, self.seed, epoch)
        return int(order[batch * self.batch_size + place]), number, place


@lru_cache(maxsize=2)
def _cached_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return epoch_order(examples, seed, epoch)


@dataclass(frozen=True)
class _Training:
    """Returns which example stands at a position, and what is streamed as it is trained on."""

    split: Split
    order: TrainingOrder

    def __call__(self, position: int) -> tuple[int, Batch]:
        example, batch, place = self.order.place(position)
        seed = (_CROPS, self.order.seed, batch, place)
        streamed = _streamed(self.split).items()
        return example, {name: each.training(example, seed) for name, each in streamed}


@dataclass(frozen=True)
class _Evaluation:
    """Returns which example stands at a position, and what is streamed as it is evaluated."""

    split: Split

    def __call__(self, position: int) -> tuple[int, Batch]:
        streamed = _streamed(self.split).items()
        return position, {name: each.evaluation(position) for name, each in streamed}


def training_batches(
    split: Split, order: TrainingOrder, put: Callable[[Batch], Any] = lambda batch: batch
) -> Iterator[Any]:
    """Decode the batches of a host, one per step, ahead of their use.

    `put` is done to every batch then, in a thread: to copy it to devices.

    Raises:
        InputError: naming the first image that cannot be decoded.
    """
    return _batches(_Training(split, order), range(len(order)), order.per_host, split, put)


def evaluation_batches(
    split: Split,
    positions: np.ndarray,
    batch_size: int,
    put: Callable[[Batch], Any] = lambda batch: batch,
) -> Iterator[Any]:
    """Decode the examples at `positions`, a multiple of the batch size; see `training_batches`."""
    return _batches(_Evaluation(split), positions, batch_size, split, put)


def _batches(
    decode: Callable[[int], tuple[int, Batch]],
    positions: Any,
    size: int,
    split: Split,
    put: Callable[[Batch], Any],
) -> Iterator[Any]:
    """Decode in threads: image libraries let other threads run, and nothing has to be copied.

    Grain keeps batches ahead and in order. The images of a batch go straight to their places by
    threads of our own: one of Grain's elements per image costs a tenth of its decoding.
    """
    try:
        import grain
    except ImportError:
        raise InputError(f"data that is streamed from disk needs grain: {INSTALL}") from None
    streamed = _streamed(split)
    others = {name: array for name, array in split.arrays.items() if name not in streamed}
    workers = max(each.workers for each in streamed.values())
    ahead = max(2, -(-2 * workers // size))  # batches, so that no thread runs out of work

    def batch(number: int) -> Any:
        filled = {
            name: np.empty((size, *array.shape[1:]), array.dtype) for name, array in others.items()
        }
        for name, array in streamed.items():
            filled[name] = _empty((size, *array.shape[1:]), np.dtype(array.dtype))

        def fill(place: int) -> None:
            example, decoded = decode(int(positions[number * size + place]))
            for name, array in others.items():
                filled[name][place] = array[example]
            for name, one in decoded.items():
                filled[name][place] = one

        # Drained, because an error of a thread is raised only where its result is asked for.
        for _ in threads.map(fill, range(size)):
            pass
        return put(filled)

    with ThreadPoolExecutor(workers) as threads:
        batches = grain.MapDataset.source(range(len(positions) // size)).map(batch)
        options = grain.ReadOptions(num_threads=ahead, prefetch_buffer_size=ahead)
        iterator = iter(batches.to_iter_dataset(options))
        try:
            yield from iterator
        finally:
            iterator.close()


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array where JAX wants one, so that a CPU takes it as it is, uncopied."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNED, np.uint8)
    start = -memory.ctypes.data % _ALIGNED
    return memory[start : start + size].view(dtype).reshape(shape)


def _streamed(split: Split) -> dict[str, Streamed]:
    return {name: each for name, each in split.arrays.items() if not isinstance(each, np.ndarray)}
