"""Sources of images with a class for every pixel: VOC 2012, from the folder that it comes in."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from rtickets.data.arrays import Raw, Split
from rtickets.data.images.canvas import OnCanvas
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.original.listing import check_apart
from rtickets.data.sources.original.voc import (
    AUGMENTED,
    VOC_CLASSES,
    VOID,
    read_voc2012,
)
from rtickets.data.sources.prepared_sets import folder_of
from rtickets.data.sources.source import Augmentation, Facts, Source
from rtickets.errors import InputError

NAME = "voc2012"
CANVAS = 500  # no image of VOC has a longer side
_SAMPLE = 100  # images that pixel statistics are estimated from


def voc_source(part: str, count: int) -> Source:
    """Return the source whose training images are a part of VOC 2012, and its tests 'val'."""
    whole = "with the augmented list" if part == AUGMENTED else "train / val"
    return Source(
        partial(_load, part),
        f"Pascal VOC 2012, a class for every pixel, 20 classes, {whole}",
        "rtickets data prepare voc2012, rtickets[grain]",
        Augmentation(flip=True),
        facts=Facts(count, 1449, len(VOC_CLASSES) - 1, (CANVAS, CANVAS, 3), streamed=True),
        files=lambda config: folder_of(NAME, config.path),
    )


def _load(part: str, config: DataConfig, view: View) -> Raw:
    del view  # images lie on canvases of one size, and reach their own on the device
    folder = folder_of(NAME, config.path)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: holds no prepared data set; name the folder that holds VOCdevkit by "
            f"data.path, or run: rtickets data prepare {NAME} --data-dir={folder}"
        )
    splits = read_voc2012(folder)
    if part not in splits:
        raise InputError(
            f"{folder}: has no ImageSets/Segmentation/{part}.txt, the augmented list, with masks "
            "in SegmentationClassAug; add them, or take source='voc2012'"
        )
    train, test = splits[part], splits["val"]
    ours, theirs = ([path.name for path in each.images] for each in (train, test))
    check_apart(ours, theirs, f"{folder}: ImageSets/Segmentation/{part}.txt and val.txt")
    mean, std = statistics_of(train)
    workers = config.workers or min(os.cpu_count() or 2, 16)
    made = partial(on_canvases, canvas=(CANVAS, CANVAS), workers=workers)
    return Raw(made(train), made(test), VOC_CLASSES[1:], None, mean, std)


class MaskFiles(Protocol):
    """Images and masks on disk, read one by one."""

    @property
    def images(self) -> tuple[Path, ...]:
        """The image files."""
        ...

    @property
    def masks(self) -> tuple[Path, ...]:
        """Those of masks."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def read_image(self, index: int) -> np.ndarray:
        """Read an image, uint8 (H, W, 3)."""
        ...

    def read_mask(self, index: int) -> np.ndarray:
        """Read a mask, uint8 (H, W)."""
        ...


def on_canvases(files: MaskFiles, canvas: tuple[int, int], workers: int) -> Split:
    """Return images and masks of any sizes on canvases of one, (height, width), as a split."""

    def streamed(
        read: Callable[[int], np.ndarray], paths: tuple[object, ...], fill: int, *channels: int
    ) -> OnCanvas:
        shape = (*canvas, *channels)
        every = np.arange(len(files))
        return OnCanvas(read, lambda number: str(paths[number]), every, shape, fill, workers)

    image = streamed(files.read_image, files.images, 0, 3)
    return Split({"image": image, "mask": streamed(files.read_mask, files.masks, VOID)})


def statistics_of(files: MaskFiles) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the channels of some images, spread evenly, without canvas."""
    chosen = range(0, len(files), -(-len(files) // _SAMPLE))
    pixels = (files.read_image(index).reshape(-1, 3) / 255 for index in chosen)
    # Sums, as a hundred large images at once would fill the memory.
    sums = [(len(each), each.sum(0), (each**2).sum(0)) for each in pixels]
    count, total, squares = (np.sum(each, 0) for each in zip(*sums, strict=True))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return tuple(mean.tolist()), tuple(std.tolist())


MASK_SETS = {"voc2012": voc_source("train", 1464), "voc2012_aug": voc_source(AUGMENTED, 10_582)}
