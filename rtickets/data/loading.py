"""Loading a data set: read, checked, split and described."""

import numpy as np

from rtickets.data.array_checks import check_arrays
from rtickets.data.arrays import IMAGE, Dataset, Split, in_memory, is_viewed
from rtickets.data.at_hand import at_hand
from rtickets.data.checks import CLASSES
from rtickets.data.duplicates import find_duplicates
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.statistics import pixel_statistics
from rtickets.data.images.streamed import StreamedImages
from rtickets.data.kept import kept
from rtickets.data.settings import DataConfig
from rtickets.data.sources.registry import source_of
from rtickets.data.splits import (
    few_shot,
    first_examples,
    first_of_every_class,
    hold_out,
    limited_count,
)
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError

_SAMPLE = 500  # streamed images that pixel statistics are estimated from


def load(config: DataConfig, seed: int = 0) -> Dataset:
    """Load a data set and split it.

    Validation is carved from the training images, the test split from all images where the source
    has none of its own; both are the same for every seed. Of a part of the training examples
    (`DataConfig.limit`) validation is carved from the part, which the seed may draw. Pixel
    statistics come from all training images, also when only a few are kept; of streamed images,
    from 500 spread evenly over them.

    Args:
        seed: draws the few-shot subset, or the part.

    Returns:
        The data set; its notes tell what was left out, and images in memory that two splits share.

    Raises:
        InputError: if it cannot be loaded or split as asked.
    """
    config = at_hand(config)
    return kept(_load, config, seed) if source_of(config).text else _load(config, seed)


def _load(config: DataConfig, seed: int) -> Dataset:
    source = source_of(config)
    raw = source.load(config, make_transform(config).view)
    asks = config.task or source.task or CLASSES
    check_arrays(raw, config.source, asks.inputs)
    odd = asks.check(raw, config.source)
    if config.stream is False:
        raw = in_memory(raw)
    train, test, validation = raw.train, raw.test, raw.validation
    if test is None:
        part = config.test_fraction, f"{config.source}: test split (data.test_fraction)"
        train, test = hold_out(train, *part, _strata(asks, train))
    whole, limited = train, tuple[str, ...]()
    if config.limit:
        train = _limited(config, asks, train, seed)
        limited = _about_limit(config, len(train), validation)
    if validation is None:
        part = (
            config.validation_fraction,
            f"{config.source}: validation split (data.validation_fraction)",
        )
        train, validation = hold_out(train, *part, _strata(asks, train))
    mean, std = raw.mean, raw.std
    if mean is None or std is None:
        mean, std = _statistics(whole if config.limit else train)
    # Last, so that subsets of all sizes share splits and pixel statistics.
    if config.train_examples is not None:
        train = few_shot(train, config.train_examples, seed, _strata(asks, train))
    dataset = Dataset(
        train, validation, test, raw.class_names, mean, std,
        raw.viewed or is_viewed(train),
        (*raw.notes, *odd, *limited, *_too_dark(train, validation, test)),
        raw.ground,
    )  # fmt: skip
    if train.streamed:
        return dataset
    return dataset._replace(notes=dataset.notes + find_duplicates(dataset, asks.inputs))


def _limited(config: DataConfig, asks: TaskConfig, train: Split, seed: int) -> Split:
    """Return the training examples that `DataConfig.limit` leaves."""
    strata, number = _strata(asks, train), config.train_per_class
    if number is not None:
        name = f"train_per_class={number}"
        if asks.split(train.arrays) is None:
            raise InputError(
                f"{name}: {config.source} has no classes; give data.train_fraction instead"
            )
        if config.train_choice == "prefix":
            return first_of_every_class(train, number, strata, name)
        classes = len(np.bincount(strata))
        return few_shot(train, number * classes, seed, strata, name)
    assert config.train_fraction is not None
    name = f"train_fraction={config.train_fraction}"
    count = limited_count(config.train_fraction, len(train))
    if count == len(train):
        return train  # all there is, however unequal its classes
    if config.train_choice == "prefix":
        return first_examples(train, count, strata, name)
    return few_shot(train, count, seed, strata, f"{name} ({count:,} examples)")


def _about_limit(config: DataConfig, examples: int, validation: Split | None) -> tuple[str, ...]:
    """Say how much is used, and which validation examples a source brings besides."""
    line = f"{config.source}: {config.limit}, {examples:,}"
    if validation is None:
        return (f"{line}, those for validation among them",)
    return (f"{line}, and {len(validation):,} for validation that the source brings",)


def _strata(asks: TaskConfig, split: Split) -> np.ndarray:
    """Return what a task has the parts of a split balanced over, zeros where that is nothing."""
    found = asks.split(split.arrays)
    strata = np.zeros(len(split), np.int32) if found is None else np.asarray(found)
    fine = (
        strata.shape == (len(split),) and strata.dtype.kind in "iu" and strata.min(initial=0) >= 0
    )
    if not fine:
        raise InputError(
            f"{type(asks).__name__}.split returns {strata.dtype} {strata.shape}; expected integers "
            f"from 0 on, ({len(split)},), or None"
        )
    return strata


def _too_dark(*splits: Split) -> tuple[str, ...]:
    """Say so where no pixel is over 1 of 255: such integers were meant as values in [0, 1]."""
    named = zip(("training", "validation", "test"), splits, strict=True)
    stored = {name: split.arrays.get(IMAGE) for name, split in named}
    arrays = {name: each for name, each in stored.items() if isinstance(each, np.ndarray)}
    dark = [name for name, images in arrays.items() if images.size and images.max() <= 1]
    if not dark:
        return ()
    return (
        f"no pixel of the {', '.join(dark)} images is over 1 of 255: if 1 is meant as white, "
        "multiply them by 255",
    )


def _statistics(train: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the channels of images, nothing where there are none."""
    return pixel_statistics(_sample(train.images)) if IMAGE in train.arrays else ((), ())


def _sample(images: np.ndarray | StreamedImages) -> np.ndarray:
    """Return images in memory as they are, and of streamed ones some, spread evenly."""
    if isinstance(images, np.ndarray):
        return images
    return np.asarray(images[:: -(-len(images) // _SAMPLE)])
