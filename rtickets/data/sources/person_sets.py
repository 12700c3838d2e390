"""Sources of persons cut out of pictures by their boxes, with keypoints: COCO."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtickets.data.arrays import Raw, Split
from rtickets.data.images.cuts import Cuts, windows_around
from rtickets.data.images.streamed import ImageFiles
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.skeletons import COCO_PERSON
from rtickets.data.sources.original.coco_persons import Person, read_coco_persons
from rtickets.data.sources.prepared_sets import folder_of
from rtickets.data.sources.source import Augmentation, Facts, Source
from rtickets.errors import InputError

SIZE = (256, 192)
"""Height and width of a person where nobody says another."""
_MARGIN = 1.25  # sides of what is cut out, in those of the box (Xiao et al. 2018)
_SET = "coco2017"  # whose folder has the photographs, and the annotations beside the boxes


def _files(config: DataConfig) -> Path:
    return folder_of(_SET, config.path)


def _load(config: DataConfig, view: View) -> Raw:
    folder = _files(config)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is no folder; name the one that holds {_SET} by data.path, or run: "
            f"rtickets data prepare {_SET} --data-dir={folder}"
        )
    splits = read_coco_persons(folder)
    workers = config.workers or min(os.cpu_count() or 2, 16)
    train, test = (_split(splits[part], view, workers) for part in ("train", "test"))
    return Raw(train, test, ("person",))


def _split(persons: Sequence[Person], view: View, workers: int) -> Split:
    size = view.size or SIZE
    paths = list(dict.fromkeys(each.path for each in persons))
    places = {path: number for number, path in enumerate(paths)}
    sizes = {each.path: each.size for each in persons}
    windows = windows_around(np.array([each.box for each in persons]), size, _MARGIN)
    images = Cuts(
        ImageFiles(tuple(paths)), np.array([sizes[path] for path in paths]),
        np.array([places[each.path] for each in persons]), windows, np.arange(len(persons)),
        (*size, view.channels), view.method, workers,
    )  # fmt: skip
    points = np.stack([each.keypoints for each in persons])
    scale = np.array(size) / windows[:, None, 2:]
    moved = (points[..., :2] - windows[:, None, :2]) * scale
    return Split({
        "image": images,
        "keypoints": np.concatenate(
            [np.where(points[..., 2:] > 0, moved, 0), points[..., 2:]], -1
        ).astype(np.float32),
        "area": np.array([each.area for each in persons], np.float32),
        "window": windows.astype(np.float32),
        "picture": np.array([each.picture for each in persons], np.int32),
    })  # fmt: skip


PERSON_SETS = {
    "coco_keypoints": Source(
        _load,
        "COCO 2017, persons cut out by their boxes, 17 keypoints; its validation images are the "
        "test split",
        f"rtickets data prepare {_SET}, rtickets[grain]",
        Augmentation(flip=True, image_size=SIZE),
        facts=Facts(149_813, 6_352, 1, (*SIZE, 3), streamed=True, composed=True,
                    skeleton=COCO_PERSON),
        files=_files,
    )
}  # fmt: skip
"""By name; a folder of one's own in COCO's layout can be named by `data.path`."""
