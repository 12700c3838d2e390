"""Data sets: loaded, split and described."""

import numpy as np

from rtickets.config import DataConfig
from rtickets.data.arrays import Dataset, Raw, Split
from rtickets.data.sources import SOURCES, Source, get_source
from rtickets.data.splits import epoch_order, few_shot, hold_out

__all__ = [
    "SOURCES",
    "Dataset",
    "Raw",
    "Source",
    "Split",
    "epoch_order",
    "few_shot",
    "get_source",
    "hold_out",
    "load",
]


def load(config: DataConfig, seed: int = 0) -> Dataset:
    """Load a task and split it.

    Validation is carved from the training images, the test split from all images where the source
    has none of its own; both are the same for every seed. Pixel statistics come from all training
    images, also when only a few are kept.

    Args:
        config: the task.
        seed: draws the few-shot subset.

    Returns:
        The task.

    Raises:
        InputError: if it cannot be loaded or split as asked.
    """
    raw = get_source(config.source).load(config)
    train, test = raw.train, raw.test
    if test is None:
        train, test = hold_out(train, config.test_fraction, f"{config.source}: test split")
    train, validation = hold_out(
        train, config.validation_fraction, f"{config.source}: validation split"
    )
    pixels = train.images.reshape(-1, train.images.shape[-1])
    mean, std = pixels.mean(0) / 255, pixels.std(0) / 255
    if config.train_examples is not None:
        train = few_shot(train, config.train_examples, seed)
    return Dataset(
        train,
        validation,
        test,
        raw.class_names,
        _statistics(mean),
        _statistics(np.maximum(std, 1e-3)),
    )


def _statistics(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
