"""Pixel statistics of foreign networks: brought to images in [0, 1], or refused."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtickets import models
from rtickets.errors import InputError
from rtickets.importers.hints import Hint
from rtickets.importers.layouts import IMAGENET
from rtickets.tickets import provenance

_SMALLEST = 1e-3  # standard deviation; 1/255 is in use, 0.2/255 is a division too many
_SIMCLR = re.compile(
    r"(?<![a-z])simclr|file=resnet50-[124]x\."
)  # the latter are its converted ones
_ROUNDING = 5e-3  # of ImageNet's mean, which Caffe rounds to whole numbers of 255


class Pixels(NamedTuple):
    """Pixel statistics and what states them.

    Attributes:
        mean: per channel, of images in [0, 1], in the order red, green, blue.
        std: standard deviation likewise.
        origin: what states them, for reports.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def given(mean: Sequence[float], std: Sequence[float], channels: int, origin: str) -> Pixels:
    """Return statistics that are those of images in [0, 1], in the order red, green, blue.

    Args:
        mean: per channel, or one value for all.
        std: likewise.
        channels: number of channels of the network.
        origin: what states them.

    Raises:
        InputError: if they are of another number of channels, another order, or not of images in
            [0, 1].
    """
    if not {len(mean), len(std)} <= {1, channels}:
        raise InputError(
            f"the network takes {channels} channels, its pixel statistics ({origin}) have "
            f"{len(mean)} and {len(std)}"
        )
    mean, std = (provenance.channel_statistics(tuple(part), channels) for part in (mean, std))
    try:
        models.check_statistics(mean, std)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    if min(std) < _SMALLEST:
        raise InputError(
            f"{origin}: standard deviations {std} are too small for images in [0, 1], where "
            f"{_SMALLEST} is the least; were they divided by 255 twice?"
        )
    if np.allclose(mean, IMAGENET[0][::-1], atol=_ROUNDING):
        raise InputError(
            f"{origin}: the mean {mean} is ImageNet's with blue first; a network that takes blue "
            "first needs --bgr, and --mean and --std have red first in any case"
        )
    return Pixels(mean, std, origin)


def stated(
    mean: Sequence[float], std: Sequence[float], origin: str, channels: int, *, bgr: bool = False
) -> Pixels:
    """Return statistics that a file states, of images in [0, 1] or in [0, 255]; see `given`.

    Those of images in [0, 255] are divided by 255, which leaves the network the same function of
    the image. With `bgr` the network takes blue first, and the file states its statistics so.
    """
    if not np.isfinite([*mean, *std]).all() or not len(mean) or min(std, default=0) <= 0:
        raise InputError(
            f"{origin} states pixel statistics {tuple(mean)} and {tuple(std)}, expected finite "
            "numbers and positive standard deviations; give --mean and --std"
        )
    if bgr:
        mean, std = mean[::-1], std[::-1]
    if max(mean) > 1 or (max(mean) == 0 and min(std) > 16):  # or of a scale without a shift
        origin += ", stated for pixels in [0, 255] and divided by 255"
        mean, std = ([float(value) / 255 for value in part] for part in (mean, std))
    return given(mean, std, channels, origin)


def check_not_simclr(layout: str, hints: Iterable[Hint]) -> None:
    """Refuse to assume statistics of a network that is called SimCLR.

    The published ones take pixels as they are, also where they were given torchvision's names;
    those of other projects take ImageNet's statistics.

    Raises:
        InputError: if a hint calls it that.
    """
    for hint in hints:
        if layout == "torchvision" and _SIMCLR.search(hint.text):
            raise InputError(
                f"{hint} tells of SimCLR, whose published networks take pixels as they are "
                "(--mean=0 --std=1), and those of others ImageNet's statistics "
                "(--mean=0.485,0.456,0.406 --std=0.229,0.224,0.225); give --mean and --std"
            )


def are_numbers(values: Any) -> bool:
    """Return whether what JSON holds is a list of numbers, one per channel."""
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
