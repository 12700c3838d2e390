"""What has to hold for the arrays of every set, whatever its task and wherever it comes from."""

from typing import Any

import numpy as np

from rtickets.data.arrays import IMAGE, Raw, Split
from rtickets.data.images.streamed import Streamed
from rtickets.errors import InputError

_LARGEST = 2**31 - 1


def check_arrays(raw: Raw, name: str, inputs: tuple[str, ...] = (IMAGE,)) -> None:
    """Check the arrays of all splits.

    Args:
        raw: what a source delivered.
        name: what the errors call it.
        inputs: names of the arrays that the network sees.

    Raises:
        InputError: for inputs that are missing, an array `image` that is no uint8 (N, H, W, 1 or
            3), splits whose examples are not alike, and values that an accelerator would take for
            others or for nothing.
    """
    parts = {"train": raw.train, "val": raw.validation, "test": raw.test}
    splits = {part: split for part, split in parts.items() if split is not None}
    for part, split in splits.items():
        for own in inputs:
            if own not in split.arrays:
                raise InputError(
                    f"{name}: {part} has the arrays {', '.join(split.arrays)}; {own!r} is missing"
                )
        if IMAGE in split.arrays:
            _check_images(split, f"{name}: {part}")
        if set(split.arrays) != set(raw.train.arrays):
            raise InputError(
                f"{name}: {part} has the arrays {', '.join(split.arrays)}, train has "
                f"{', '.join(raw.train.arrays)}; expected the same"
            )
        for array, values in split.arrays.items():
            if array != IMAGE:
                _check_values(values, raw.train.arrays[array], f"{name}: {part}: {array!r}")


def _check_images(split: Split, name: str) -> None:
    images = split.images
    if images.dtype != np.uint8:
        raise InputError(f"{name}: images are {images.dtype}; expected uint8 in [0, 255]")
    if len(images.shape) != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"{name}: images have shape {images.shape}; expected (N, H, W, 1) or (N, H, W, 3)"
        )


def _check_values(values: Any, train: Any, name: str) -> None:
    fine = isinstance(values, np.ndarray | Streamed) and np.dtype(values.dtype).kind in "biuf"
    if not fine:
        kind = getattr(values, "dtype", type(values).__name__)
        raise InputError(f"{name} is {kind}; expected an array of numbers")
    if (values.dtype, values.shape[1:]) != (train.dtype, train.shape[1:]):
        raise InputError(
            f"{name} is {values.dtype} {values.shape[1:]} an example, that of train "
            f"{train.dtype} {train.shape[1:]}; expected the same"
        )
    if not isinstance(values, np.ndarray):
        return  # it is looked at when it is decoded
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{name} has values that are not finite; leave their examples out")
    if values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -_LARGEST - 1 or high > _LARGEST:
            raise InputError(f"{name} has integers in [{low}, {high}]; expected those of 32 bits")
