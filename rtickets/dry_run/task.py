"""A data set as a run sees it, without reading it where its sizes are known."""

from typing import NamedTuple

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data import get_source
from rtickets.data.augment import make_transform
from rtickets.data.source import Facts


class Task(NamedTuple):
    """A data set as a run sees it.

    Attributes:
        name: its source.
        train: number of training images.
        validation: number of validation images.
        test: number of test images.
        classes: number of classes.
        shape: (H, W, C) that the network takes.
        stored: bytes of the training images in device memory; 0 where they are streamed.
    """

    name: str
    train: int
    validation: int
    test: int
    classes: int
    shape: tuple[int, int, int]
    stored: int


def task_of(config: DataConfig) -> Task:
    """Return the sizes of a task; it is read only if nothing is known about it.

    Args:
        config: the task.

    Returns:
        The sizes.

    Raises:
        InputError: if the task is unknown, or has to be read and cannot be.
    """
    transform = make_transform(config)
    facts = get_source(config.source).facts or _facts_from(config)
    train, test = facts.train, facts.test
    if test is None:
        test = round(train * config.test_fraction)
        train -= test
    validation = round(train * config.validation_fraction)
    train = config.train_examples or train - validation
    stored = facts.shape or (*(transform.size or (224, 224)), 3)
    in_memory = facts.shape is not None or config.stream is False
    size = train * stored[0] * stored[1] * stored[2] if in_memory else 0
    shape = transform.output_shape(stored)
    return Task(config.source, train, validation, test, facts.classes, shape, size)


def _facts_from(config: DataConfig) -> Facts:
    loaded = data.load(config)
    train, validation, test = (len(split) for split in loaded[:3])
    height, width, channels = loaded.train.images.shape[1:]
    whole = round((train + validation + test) if config.train_examples is None else train)
    streamed = isinstance(loaded.train.images, data.StreamedImages)
    shape = None if streamed else (height, width, channels)
    return Facts(whole - test, test, len(loaded.class_names), shape)
