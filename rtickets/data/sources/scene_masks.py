"""Sources of segmentation from folders of one's own: Cityscapes and ADE20K, without a ground."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtickets.data.arrays import Raw
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.array_files import existing
from rtickets.data.sources.mask_sets import on_canvases, statistics_of
from rtickets.data.sources.original.ade20k import CLASSES, MOST, read_ade20k
from rtickets.data.sources.original.cityscapes import CITYSCAPES_CLASSES, read_cityscapes
from rtickets.data.sources.original.mask_pairs import MaskPairs
from rtickets.data.sources.source import Augmentation, Facts, Source

_LOOKED_AT = 20  # masks of a split that are read before anything is computed
Reader = Callable[[Path], tuple[tuple[str, ...], dict[str, MaskPairs]]]


class SceneMasks(NamedTuple):
    """A set with a class for every pixel.

    Attributes:
        name: what it is called here.
        description: one line.
        layout: of its folder, for errors.
        classes: number of classes.
        train: number of training images.
        test: number of test images, those published for validation.
        canvas: (height, width) that every image fits into.
        read: reads it from a folder.
    """

    name: str
    description: str
    layout: str
    classes: int
    train: int
    test: int
    canvas: tuple[int, int]
    read: Reader


def _cityscapes(root: Path) -> tuple[tuple[str, ...], dict[str, MaskPairs]]:
    return CITYSCAPES_CLASSES, read_cityscapes(root)


SETS = (
    SceneMasks(
        "cityscapes", "Cityscapes, a class for every pixel, 19 classes; val is the test split",
        "the folder of leftImg8bit and gtFine", 19, 2_975, 500, (1024, 2048), _cityscapes,
    ),
    SceneMasks(
        "ade20k", "ADE20K (SceneParsing), a class for every pixel, 150 classes; its validation "
        "images are the test split",
        "the folder of images and annotations, ADEChallengeData2016", CLASSES, 20_210, 2_000,
        (max(MOST), max(MOST)), read_ade20k,
    ),
)  # fmt: skip


def scene_source(masks: SceneMasks) -> Source:
    """Return the source of a set."""
    facts = Facts(
        masks.train, masks.test, masks.classes, (*masks.canvas, 3), streamed=True, ground=False
    )
    return Source(
        partial(_load, masks), masks.description, "data.path, rtickets[grain]",
        Augmentation(flip=True), facts=facts,
        files=lambda config: None if config.path is None else Path(config.path),
    )  # fmt: skip


def _load(masks: SceneMasks, config: DataConfig, view: View) -> Raw:
    del view  # images lie on canvases of one size, and reach their own on the device
    names, splits = masks.read(existing(config.path, masks.name, masks.layout))
    for split in splits.values():
        for index in np.linspace(0, len(split) - 1, min(_LOOKED_AT, len(split))).astype(int):
            split.read_mask(int(index))
    mean, std = statistics_of(splits["train"])
    workers = config.workers or min(os.cpu_count() or 2, 16)
    train, test = (on_canvases(splits[part], masks.canvas, workers) for part in ("train", "val"))
    return Raw(train, test, names, None, mean, std, ground=False)


SCENE_MASKS = {each.name: scene_source(each) for each in SETS}
