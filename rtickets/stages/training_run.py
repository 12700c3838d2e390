"""A training run of a stage: what it is, what is compiled for it, and how it begins."""

from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from rtickets import data, models, training
from rtickets.data.arrays import IMAGE
from rtickets.data.images.augment import Transform
from rtickets.data.images.streamed import Streamed
from rtickets.errors import InputError
from rtickets.masks.gates import LearnedMask
from rtickets.platform import console, parallel, processes
from rtickets.settings import config_files
from rtickets.settings.kinds import to_steps
from rtickets.tasks import Task
from rtickets.training import Trainable
from rtickets.training.batches import steps_per_epoch
from rtickets.training.inputs import device_transform
from rtickets.training.meeting import Compiled
from rtickets.training.settings import TrainConfig


class TrainingRun(NamedTuple):
    """One training run.

    Attributes:
        model: the network.
        task: what it is trained to do.
        dataset: the examples.
        transform: from stored pixels to the network's input.
        config: the run's configuration.
        folder: the stage's folder.
        devices: where to train.
        name: what progress and messages call it; '' is the name of the folder.
        compiled: what its steps are taken by, see `rtickets.training.meeting`.
    """

    model: models.Model
    task: Task
    dataset: data.Dataset
    transform: Transform
    config: TrainConfig
    folder: Path
    devices: parallel.Devices
    name: str = ""
    compiled: Compiled = training.compiled

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return steps_per_epoch(len(self.dataset.train), self.config.batch_size)

    @property
    def called(self) -> str:
        """What progress and messages call it."""
        return self.name or self.folder.name.rsplit("-", 1)[0]


def program_of(
    run: TrainingRun,
    shape: tuple[int, ...],
    trainable: Trainable = "all",
    learned_mask: LearnedMask | None = None,
) -> training.Program:
    """Return what is compiled for a run, whose inputs have a shape; see `train_network`."""
    config = run.config
    return training.Program(
        model=run.model,
        objective=config.objective,
        # It is data of the run, so that runs at other rates share the compiled program.
        optimizer=config_files.replace(config.optimizer, learning_rate=0.0),
        transform=device_transform(run.transform, run.dataset.train),
        batch_size=config.batch_size,
        total_steps=to_steps(config.duration, run.steps_per_epoch),
        steps_per_epoch=run.steps_per_epoch,
        trainable=trainable,
        statistics=config.statistics,
        devices=run.devices,
        learned_mask=learned_mask,
        averaging=config.averaging,
        accumulate=config.accumulate,
        sync_statistics=config.sync_statistics,
        input_shape=shape,
        task=run.task,
    )


def begin(run: TrainingRun) -> tuple[int, ...]:
    """Check a run before it computes, say what is known of its data, return the input's shape."""
    training.check_batch_size(run.config, run.devices)
    if conflicts := "; ".join(run.task.conflicts(run.config)):
        raise InputError(conflicts)
    shape = run.task.input_spec(run.transform, run.dataset.train.spec)[0].shape
    run.config.objective.check_lengths(shape)
    # Every process reads its own copy of the data.
    processes.check_agreement("the training data", _fingerprint(run.dataset.train))
    for note in run.dataset.notes:
        console.say(f"data: {note}")
    return shape


def _fingerprint(split: data.Split) -> dict[str, Any]:
    """Return what tells other data apart without reading all of it."""
    step = max(len(split) // 64, 1)
    large = {IMAGE} | {name for name, each in split.arrays.items() if isinstance(each, Streamed)}
    arrays = {name: e[::step] if name in large else e for name, e in split.arrays.items()}
    return {
        name: [*split.arrays[name].shape, crc32(np.ascontiguousarray(each).tobytes())]
        for name, each in arrays.items()
    }
