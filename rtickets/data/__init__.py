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
    mean, std = _pixel_statistics(train.images)
    if config.train_examples is not None:
        train = few_shot(train, config.train_examples, seed)
    metric = get_source(config.source).metric
    return Dataset(train, validation, test, raw.class_names, mean, std, metric)


def _pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of every channel in [0, 1], to four digits.

    Exact sums of integers, some images at a time: floats of a whole set would take 8 times its
    memory.
    """
    total, squares = 0, 0
    for part in np.array_split(images, -(-len(images) // 1000)):
        pixels = part.reshape(-1, images.shape[-1]).astype(np.int64)
        total, squares = total + pixels.sum(0), squares + (pixels**2).sum(0)
    count = images.size // images.shape[-1]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    rounded = np.round(mean / 255, 4), np.round(np.maximum(std / 255, 1e-3), 4)
    return tuple(rounded[0].tolist()), tuple(rounded[1].tolist())
