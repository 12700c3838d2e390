"""Pairs of an image and its mask, as sets of segmentation are distributed, read one by one.

What can be seen without decoding is checked when they are listed: every image has its mask and
every mask its image, sizes agree, and masks have one channel of 8 bits, not a palette: indices of a
palette are in no fixed order, and so no classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rtickets.data.checks import some
from rtickets.data.images.pictures import open_image, read_file
from rtickets.data.images.views import decode
from rtickets.data.limits import size_of
from rtickets.errors import InputError

IGNORED = 255
"""The value of a mask where no class counts."""


class MaskPairs(NamedTuple):
    """Images with a class for every pixel.

    Attributes:
        images: files.
        masks: PNG files of grey values.
        classes: uint8 (256,), the class of every grey value, `IGNORED` for none that counts.
        known: bool (256,), the grey values that there are.
        most: (short, long) side that images are scaled down to; None leaves them as they are.
    """

    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    classes: np.ndarray
    known: np.ndarray
    most: tuple[int, int] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def read_image(self, index: int) -> np.ndarray:
        """Read an image, uint8 (H, W, 3)."""
        path = self.images[index]
        image = decode(read_file(path), str(path))
        return np.asarray(self._scaled(image, Image.Resampling.BILINEAR))

    def read_mask(self, index: int) -> np.ndarray:
        """Read a mask, uint8 (H, W) of classes.

        Raises:
            InputError: naming the file, for one that is damaged or has a value of no class.
        """
        path = self.masks[index]
        opened = open_image(read_file(path), path)
        try:
            opened.load()
        except Exception as error:  # damage surfaces as whatever the decoder trips over
            raise InputError(f"{path}: cannot be read as an image: {error}") from None
        if opened.mode != "L":
            raise InputError(f"{path}: has mode {opened.mode}; {_EXPECTED}")
        values = np.asarray(self._scaled(opened, Image.Resampling.NEAREST))
        unknown = np.unique(values)[~self.known[np.unique(values)]]
        if unknown.size:
            raise InputError(
                f"{path}: has the value {unknown[0]}, which is no class of the set; get the file "
                "again"
            )
        classes: np.ndarray = self.classes[values]
        return classes

    def _scaled(self, image: Image.Image, method: Image.Resampling) -> Image.Image:
        if self.most is None:
            return image
        short, long = self.most
        scale = min(short / min(image.size), long / max(image.size))
        if scale >= 1:
            return image
        width, height = (max(1, round(side * scale)) for side in image.size)
        return image.resize((width, height), method)


_EXPECTED = "expected one channel of 8 bits, the numbers of classes, without a palette"


def paired(
    images: Mapping[str, Path], masks: Mapping[str, Path], where: object
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return images and masks of the same names, in their order, looked into as far as headers go.

    Args:
        images: files by what both are called.
        masks: likewise.
        where: what errors call the split.

    Raises:
        InputError: where there are none, one of a pair is missing, sizes differ or a mask has
            another mode.
    """
    names = sorted(images)
    if not names:
        raise InputError(f"{where}: has no images")
    for ours, theirs, what in ((images, masks, "mask"), (masks, images, "image")):
        if alone := sorted(set(ours) - set(theirs)):
            raise InputError(
                f"{where}: {len(alone)} files have no {what}, such as {some([str(ours[alone[0]])])}"
            )
    for name in names:
        _check_pair(images[name], masks[name])
    return tuple(images[name] for name in names), tuple(masks[name] for name in names)


def _check_pair(image: Path, mask: Path) -> None:
    (ours, _), (theirs, mode) = _header(image), _header(mask)
    if mode != "L":
        raise InputError(f"{mask}: has mode {mode}; {_EXPECTED}")
    if ours != theirs:
        raise InputError(
            f"{mask}: is {theirs[0]}x{theirs[1]}, its image {image.name} {ours[0]}x{ours[1]}; get "
            "the set again"
        )


def _header(path: Path) -> tuple[tuple[int, int], str]:
    """Return the (height, width) and the mode that an image file says, without decoding it."""
    size_of(path)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            return (image.height, image.width), image.mode
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{path}: cannot be read as a PNG or JPEG image: {error}") from None


def values_of(classes: Sequence[int], ignored: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return `MaskPairs.classes` and `known` of the grey values of classes, in their order.

    Args:
        classes: the value of each.
        ignored: values that do not count.
    """
    table, known = np.full(256, IGNORED, np.uint8), np.zeros(256, bool)
    table[list(classes)] = np.arange(len(classes))
    known[[*classes, *ignored]] = True
    return table, known
