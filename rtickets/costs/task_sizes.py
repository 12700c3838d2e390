"""A data set as a run sees it, without reading it where its sizes are known."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rtickets import data
from rtickets.costs.network_costs import NetworkCost, Questions, network_cost
from rtickets.data import source_of
from rtickets.data.arrays import IMAGE
from rtickets.data.images.chosen import make_transform
from rtickets.data.settings import DataConfig
from rtickets.data.sources.source import Facts
from rtickets.data.splits import limited_count
from rtickets.errors import InputError
from rtickets.models.inputs import Input, Inputs
from rtickets.models.network import LinearHead
from rtickets.models.settings import ModelConfig
from rtickets.tasks import Task, task_of
from rtickets.tasks.comparison import Neighbours


class TaskSizes(NamedTuple):
    """A data set as a run sees it.

    Attributes:
        name: its source.
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
        outputs: width of a head for it.
        answers: what the outputs are called.
        inputs: what the network takes.
        stored: bytes of the training examples' inputs in device memory; 0 where they are streamed.
        head: see `Task.head`.
        backbone_stride: see `Task`.
        work: see `Task`.
        compared: training examples that validation compares with, see `Task.comparison`.
        evaluated: what the network takes in evaluations, where that is something else.
        calls: how often it is called then for every example.
        asked: what its loss is counted by, None where that is little beside a network of images.
    """

    name: str
    train: int
    validation: int
    test: int
    outputs: int
    answers: str
    inputs: Inputs
    stored: int
    head: Callable[[int], Any]
    backbone_stride: int | None = None
    work: float = 1.0
    compared: int = 0
    evaluated: Inputs | None = None
    calls: int = 1
    asked: Questions | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the first input, (H, W, C) of images."""
        return self.inputs[0].shape


def sizes_of(config: DataConfig, like: tuple[int, ...] | None = None) -> TaskSizes:
    """Return the sizes of a task; it is read only if nothing is known about it.

    Args:
        config: the data.
        like: (H, W, C) that images are brought to where `config` leaves it open, as a network's.

    Raises:
        InputError: if the task is unknown, or has to be read and cannot be.
    """
    facts, task = source_of(config).facts, task_of(config)
    sizes = _read(task, config) if facts is None else _known(task, facts, config)
    transform = make_transform(config)
    if like is not None:
        height, width, channels = like
        transform = replace(
            transform, size=transform.size or (height, width),
            channels=transform.channels or channels,
        )  # fmt: skip
    stored = sizes.stored
    if stored is None:
        stored = {IMAGE: Input(IMAGE, (*(transform.size or (224, 224)), 3), "uint8")}
    bytes_of = [
        math.prod(stored[name].shape) * np.dtype(stored[name].dtype).itemsize
        for name in task.inputs
        if name in stored
    ]
    stored_bytes = sizes.train * sum(bytes_of) if sizes.in_memory else 0
    inputs = task.input_spec(transform, stored)
    evaluated, calls = task.evaluated_on(transform, stored)
    compared = 0
    if isinstance(task.comparison, Neighbours):
        compared = min(sizes.train, task.comparison.gallery or sizes.train)
    asked = None if IMAGE in stored else Questions(task, transform, tuple(stored.values()))
    return TaskSizes(
        config.source, *sizes[:4], task.answers, inputs, stored_bytes, task.head,
        task.backbone_stride, task.work, compared,
        None if evaluated == inputs else evaluated, calls, asked,
    )  # fmt: skip


def cost_of(config: ModelConfig, task: TaskSizes) -> NetworkCost:
    """Return costs of a network that does a task."""
    sizes = task.outputs, task.inputs, task.head, task.backbone_stride
    return network_cost(config, *sizes, asked=task.asked)


def evaluated_cost_of(config: ModelConfig, task: TaskSizes) -> NetworkCost:
    """Return costs of a network that is evaluated on a task, of all its calls for an example."""
    own = cost_of(config, task._replace(inputs=task.evaluated or task.inputs, asked=None))
    return own._replace(forward=task.calls * own.forward, activations=task.calls * own.activations)


def head_cost_of(config: ModelConfig, task: TaskSizes) -> NetworkCost:
    """Return what the head of such a network costs, beyond a linear one on pooled features."""
    task = task._replace(asked=None)  # a loss fits the task's own head alone
    whole, others = cost_of(config, task), cost_of(config, task._replace(head=LinearHead))
    return NetworkCost(
        max(whole.weights - others.weights, 0),
        max(whole.prunable - others.prunable, 0),
        max(whole.forward - others.forward, 0.0),
        max(whole.activations - others.activations, 0.0),
    )


class _Sizes(NamedTuple):
    """Sizes of the splits, width of the head, what is stored where it is known, where it lies."""

    train: int
    validation: int
    test: int
    outputs: int
    stored: Mapping[str, Input] | None
    in_memory: bool


def _known(task: Task, facts: Facts, config: DataConfig) -> _Sizes:
    train, test = facts.train, facts.test
    if test is None:
        test = round(train * config.test_fraction)
        train -= test
    if config.train_fraction is not None:
        train = limited_count(config.train_fraction, train)
    if config.train_per_class is not None:
        train = config.train_per_class * _classes(task, facts, config)
    validation = facts.validation
    if validation is None:
        validation = round(train * config.validation_fraction)
        train -= validation
    train = config.train_examples or train
    shape = facts.shape_of(config)
    stored = None if shape is None else {IMAGE: Input(IMAGE, shape, "uint8")}
    outputs = task.width(facts.about)
    return _Sizes(train, validation, test, outputs, stored, facts.in_memory(config))


def _classes(task: Task, facts: Facts, config: DataConfig) -> int:
    if not task.has_classes:
        raise InputError(
            f"train_per_class={config.train_per_class}: {config.source} has no classes; give "
            "data.train_fraction instead"
        )
    return task.width(facts.about)


def _read(task: Task, config: DataConfig) -> _Sizes:
    dataset = data.load(config)
    train, validation, test = (len(split) for split in dataset[:3])
    return _Sizes(
        train, validation, test, task.width(task.about(dataset)), dataset.train.spec,
        not dataset.train.streamed,
    )  # fmt: skip
