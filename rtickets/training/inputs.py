"""How training steps get their examples: from the devices' memory, or from disk.

Which examples make the batch of a step is a function of the seed and the step alone, so a run that
is resumed needs no iterator state, and both ways give the same batches.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from rtickets import training
from rtickets.data import Split
from rtickets.data.arrays import is_viewed
from rtickets.data.images.augment import Transform
from rtickets.data.images.stream import Batch, TrainingOrder, training_batches
from rtickets.platform import parallel
from rtickets.training.batches import batch_indices
from rtickets.training.meeting import Compiled
from rtickets.training.settings import TrainConfig


def device_transform(transform: Transform, split: Split) -> Transform:
    """Return what is left to do on the device: streamed images may have been cropped already."""
    return replace(transform, random_crop=None) if is_viewed(split) else transform


class FromMemory:
    """Examples that lie on every device; steps choose theirs by index."""

    steps_per_dispatch = 50

    def __init__(
        self,
        program: training.Program,
        split: Split,
        seed: int,
        compiled: Compiled = training.compiled,
    ) -> None:
        """Copy the examples to the devices."""
        self._program, self._seed, self._examples = program, seed, len(split)
        self._data = parallel.replicate(split.arrays, program.devices)
        self.compiled = compiled(program)

    def arguments(self, start: int, stop: int) -> tuple[Any, ...]:
        """Return (data, indices (D, S, B / D)) for the steps start ... stop - 1."""
        program, replays = self._program, self._program.objective.batch_replays
        chosen = batch_indices(self._examples, program.batch_size, self._seed, start, stop, replays)
        return (self._data, parallel.shard(chosen, program.devices, 1, program.accumulate))

    def one_step(self, step: int) -> tuple[Any, ...]:
        """Return a step's examples in the form that `training.compiled` takes."""
        return self.arguments(step, step + 1)

    def close(self) -> None:
        """Do nothing: there is nothing to stop."""


class FromDisk:
    """Streamed images, decoded and copied to the devices while earlier steps run."""

    steps_per_dispatch = 1  # batches of photographs are large

    def __init__(self, program: training.Program, split: Split, seed: int) -> None:
        """Bind the feed; decoding begins with the first step that is asked for."""
        self._program, self._split, self._seed = program, split, seed
        self._batches: Iterator[dict[str, Any]] | None = None
        self._next = -1
        self.compiled = training.compiled_batches(program)

    def arguments(self, start: int, stop: int) -> tuple[Any, ...]:
        """Return (examples (D, S, B / D, ...),) for the steps start ... stop - 1."""
        if self._batches is None or start != self._next:
            self.close()
            self._batches = self._from(start)
        self._next = stop
        taken = [next(self._batches) for _ in range(start, stop)]
        if len(taken) == 1:
            return (jax.tree.map(lambda part: part[:, None], taken[0]),)
        return (jax.tree.map(lambda *parts: np.stack([np.asarray(p) for p in parts], 1), *taken),)

    def one_step(self, step: int) -> tuple[Any, ...]:
        """Return a step's examples in the form that `training.compiled` takes."""
        devices = self._program.devices
        (taken,) = self.arguments(step, step + 1)
        data = jax.tree.map(lambda part: np.concatenate(np.asarray(part)[:, 0]), taken)
        # The time of such a step is looked at, not its result: examples of this process stand in
        # for all.
        own = len(data[self._program.task.input])
        positions = np.arange(self._program.batch_size, dtype=np.int32) % own
        return parallel.replicate(data, devices), parallel.shard(positions[None], devices, axis=1)

    def close(self) -> None:
        """Stop the threads that decode."""
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]  # it is a generator
        self._batches = None

    def _from(self, start: int) -> Iterator[dict[str, Any]]:
        program = self._program
        whole = np.arange(program.batch_size)
        order = TrainingOrder(
            len(self._split), program.batch_size, self._seed, start, program.total_steps,
            parallel.shard(whole, program.devices, micro=program.accumulate).ravel().tolist(),
            program.objective.batch_replays,
        )  # fmt: skip
        local = len(program.devices.local)

        def put(batch: Batch) -> dict[str, Any]:
            return {
                name: parallel.put(part.reshape(local, -1, *part.shape[1:]), program.devices)
                for name, part in batch.items()
            }

        return training_batches(self._split, order, put)


Feed = FromMemory | FromDisk


def dispatch_length(config: TrainConfig, program: training.Program, feed: Feed) -> int:
    """Return how many steps a dispatch takes at most."""
    on_cpu = program.devices[0].platform == "cpu"
    return config.steps_per_dispatch or (1 if on_cpu else feed.steps_per_dispatch)


def make_feed(
    program: training.Program, split: Split, seed: int, compiled: Compiled = training.compiled
) -> Feed:
    """Return where a run's examples come from: images in memory, or streamed ones.

    Args:
        compiled: what the steps of examples in memory are taken by.
    """
    if split.streamed:
        return FromDisk(program, split, seed)
    return FromMemory(program, split, seed, compiled)
