"""Sources of images with boxes: the sets of VOC and COCO, from the folders that they come in."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.arrays import Raw, Split
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.streamed_boxes import StreamedBoxes
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.original.box_listing import BoxListing, Pictured
from rtickets.data.sources.original.coco_boxes import read_coco_boxes
from rtickets.data.sources.original.voc_boxes import VOC0712, VOC2007, read_voc_boxes
from rtickets.data.sources.prepared_sets import folder_of
from rtickets.data.sources.public import VOC2012, Download
from rtickets.data.sources.source import Augmentation, Facts, Source
from rtickets.errors import InputError

_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC/voc2007/"
_COCO = "http://images.cocodataset.org/"
_DOWNLOADS_2007 = (
    Download("VOCtrainval_06-Nov-2007.tar", f"{_VOC}VOCtrainval_06-Nov-2007.tar",
             "c52e279531787c972589f7e41ab4ae64"),
    Download("VOCtest_06-Nov-2007.tar", f"{_VOC}VOCtest_06-Nov-2007.tar",
             "b6e924de25625d8de591ea690078ad9f"),
)  # fmt: skip
_DOWNLOADS_COCO = (
    Download("annotations_trainval2017.zip", f"{_COCO}annotations/annotations_trainval2017.zip",
             "f4bbac642086de4f52a3fdda2de5fa2c"),
    Download("val2017.zip", f"{_COCO}zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80"),
    Download("train2017.zip", f"{_COCO}zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2"),
)  # fmt: skip


class BoxSet(NamedTuple):
    """A public set of images with boxes.

    Attributes:
        name: what it is called here.
        description: one line.
        classes: number of classes.
        train: number of training images.
        test: number of test images.
        downloads: the archives that it is distributed as.
        read: reads it from a folder.
    """

    name: str
    description: str
    classes: int
    train: int
    test: int
    downloads: tuple[Download, ...]
    read: Callable[[Path], BoxListing]


BOX_SETS = {
    each.name: each
    for each in (
        BoxSet("voc2007", "Pascal VOC 2007, boxes; trainval and test", 20, 5_011, 4_952,
               _DOWNLOADS_2007, partial(read_voc_boxes, parts=VOC2007)),
        BoxSet("voc0712", "Pascal VOC 2007 and 2012, boxes; trainval of both, test of 2007", 20,
               16_551, 4_952, (*_DOWNLOADS_2007, VOC2012), partial(read_voc_boxes, parts=VOC0712)),
        BoxSet("coco2017", "COCO 2017, boxes; its validation images are the test split", 80,
               118_287, 5_000, _DOWNLOADS_COCO, read_coco_boxes),
    )
}  # fmt: skip
"""By name; a folder of one's own in the layout of one can be named by `data.path`."""


def box_source(box_set: BoxSet) -> Source:
    """Return the source of a set."""
    return Source(
        partial(_load, box_set),
        box_set.description,
        f"rtickets data prepare {box_set.name}, rtickets[grain]",
        Augmentation(flip=True, image_size=512),
        facts=Facts(box_set.train, box_set.test, box_set.classes, None),
        files=lambda config: folder_of(box_set.name, config.path),
    )


def _load(box_set: BoxSet, config: DataConfig, view: View) -> Raw:
    folder = folder_of(box_set.name, config.path)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is no folder; name the one that holds {box_set.name} by data.path, or run: "
            f"rtickets data prepare {box_set.name} --data-dir={folder}"
        )
    listing = box_set.read(folder)
    train, test = listing.splits["train"], listing.splits["test"]
    # Rows are as many in all splits, so that these are compiled alike.
    rows = max(1, *(len(each.classes) for each in (*train, *test)))
    made = partial(_split, rows=rows, view=view, workers=config.workers)
    return Raw(made(train), made(test), listing.class_names, notes=listing.notes)


def _split(images: Sequence[Pictured], rows: int, view: View, workers: int | None) -> Split:
    count = len(images)
    boxes = np.zeros((count, rows, 4), np.float32)
    classes, crowd = np.full((count, rows), -1, np.int32), np.zeros((count, rows), bool)
    for number, each in enumerate(images):
        own = np.s_[number, : len(each.classes)]
        boxes[own], classes[own], crowd[own] = each.boxes, each.classes, each.crowd
    sizes = np.array([each.size for each in images])
    files = streamed(ImageFiles(tuple(each.path for each in images)), view, workers, sizes)
    arrays: dict[str, Any] = {
        "image": files,
        "boxes": StreamedBoxes(boxes, sizes, crowd, np.arange(count), view, files.workers),
        "classes": classes,
        "crowd": crowd,
    }
    return Split(arrays)
