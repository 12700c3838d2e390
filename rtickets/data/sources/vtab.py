"""VTAB-1k (Zhai et al. 2019): 19 tasks with 800 training and 200 validation images each.

The splits are the parts of the sets of TensorFlow Datasets that the benchmark's code takes: the
first 800 training images, the first 200 of its validation part, and its whole test part.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.arrays import Raw
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.source import Augmentation, Source
from rtickets.data.sources.tfds import (
    folder_in_root,
    load_split,
    open_builder,
    tfds_files,
    view_of,
)
from rtickets.data.sources.tfds_labels import LabelFn, class_names_of
from rtickets.errors import InputError

_AUGMENTATION = Augmentation(image_size=224)  # stretched, neither cropped nor flipped
Parts = Callable[[Mapping[str, int]], tuple[str, str]]


class VtabTask(NamedTuple):
    """One task of the benchmark.

    Attributes:
        builder: the set of TensorFlow Datasets, and its configuration.
        parts: from the sizes of its splits to (validation, test) parts.
        label_fn: from an example to its label; None takes its feature 'label'.
        classes: number of classes of `label_fn`.
        factor: what stored pixels are multiplied by.
    """

    builder: str
    parts: Parts
    label_fn: LabelFn | None = None
    classes: int = 0
    factor: int = 1


def _official(sizes: Mapping[str, int]) -> tuple[str, str]:
    del sizes
    return "validation[:200]", "test"


def _tail(percent: int, test: str, sizes: Mapping[str, int]) -> tuple[str, str]:
    """Validate on what follows the first part of the training split."""
    start = percent * sizes["train"] // 100
    return f"train[{start}:{start + 200}]", test


def _only_train(percent: int, held_out: int, sizes: Mapping[str, int]) -> tuple[str, str]:
    """Validate and test on parts of a set's only split."""
    start, more = percent * sizes["train"] // 100, held_out * sizes["train"] // 100
    return f"train[{start}:{start + 200}]", f"train[{start + more}:]"


def _half_test(sizes: Mapping[str, int]) -> tuple[str, str]:
    del sizes
    return "test[:200]", "test[50%:]"


def _last_below(value: float, thresholds: tuple[float, ...]) -> int:
    return int(np.flatnonzero(np.array(thresholds) < value).max())


def _clevr_count(example: dict[str, Any]) -> int:
    return len(example["objects"]["size"]) - 3


def _clevr_distance(example: dict[str, Any]) -> int:
    nearest = np.min(np.asarray(example["objects"]["pixel_coords"])[:, 2])
    return _last_below(nearest, (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0))


def _kitti_distance(example: dict[str, Any]) -> int:
    depth = np.asarray(example["objects"]["location"]).reshape(-1, 3)[:, 2]
    vehicles = np.asarray(example["objects"]["type"]) < 3  # car, van, truck
    return _last_below(min([1000.0, *depth[vehicles]]), (-100.0, 8.0, 20.0, 999.0))


def _feature(name: str, classes_per_bin: float, example: dict[str, Any]) -> int:
    return int(example[name] // classes_per_bin)


TASKS: dict[str, VtabTask] = {
    "caltech101": VtabTask("caltech101", partial(_tail, 90, "test")),
    "cifar100": VtabTask("cifar100", partial(_tail, 90, "test")),
    "dtd": VtabTask("dtd", _official),
    "oxford_flowers102": VtabTask("oxford_flowers102", _official),
    "oxford_iiit_pet": VtabTask("oxford_iiit_pet", partial(_tail, 80, "test")),
    "sun397": VtabTask("sun397/tfds", _official),
    "svhn_cropped": VtabTask("svhn_cropped", partial(_tail, 90, "test")),
    "patch_camelyon": VtabTask("patch_camelyon", _official),
    "eurosat": VtabTask("eurosat/rgb", partial(_only_train, 60, 20)),
    "resisc45": VtabTask("resisc45", partial(_only_train, 60, 20)),
    "diabetic_retinopathy": VtabTask("diabetic_retinopathy_detection/btgraham-300", _official),
    "clevr_count": VtabTask("clevr", partial(_tail, 90, "validation"), _clevr_count, 8),
    "clevr_distance": VtabTask("clevr", partial(_tail, 90, "validation"), _clevr_distance, 6),
    "dmlab": VtabTask("dmlab", _official),
    "dsprites_location": VtabTask(
        "dsprites",
        partial(_only_train, 80, 10),
        partial(_feature, "label_x_position", 2.0),
        16,
        255,
    ),
    "dsprites_orientation": VtabTask(
        "dsprites",
        partial(_only_train, 80, 10),
        partial(_feature, "label_orientation", 2.5),
        16,
        255,
    ),
    "kitti_distance": VtabTask("kitti", _official, _kitti_distance, 4),
    "smallnorb_azimuth": VtabTask(
        "smallnorb", _half_test, partial(_feature, "label_azimuth", 1), 18
    ),
    "smallnorb_elevation": VtabTask(
        "smallnorb", _half_test, partial(_feature, "label_elevation", 1), 9
    ),
}


def vtab_source(name: str) -> Source:
    """Return the source of one of `TASKS`."""
    if name not in TASKS:
        raise InputError(f"source='vtab:{name}' is unknown; choose one of {', '.join(TASKS)}")
    description = f"VTAB-1k, {name}, 800 + 200 images"
    return Source(
        partial(load_vtab, name),
        description,
        "rtickets[tfds]",
        _AUGMENTATION,
        files=partial(tfds_files, TASKS[name].builder),
        within=folder_in_root(TASKS[name].builder),
    )


def load_vtab(name: str, config: DataConfig, view: View) -> Raw:
    """Load a task of VTAB-1k: 800 training, 200 validation and all test images.

    Args:
        name: one of `TASKS`.
        config: `path` is the folder of TensorFlow Datasets; threads that decode.
        view: how images of many sizes become arrays.
    """
    task = TASKS[name]
    builder = open_builder(task.builder, config.path)
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    own = view_of(builder.info.features["image"], view)._replace(factor=task.factor)
    splits = [
        load_split(builder, split, task.builder, own, config.workers, task.label_fn, name)
        for split in ("train[:800]", *task.parts(sizes))
    ]
    if task.label_fn is None:
        names = class_names_of(builder.info.features["label"], sum(sizes.values()), name)
    else:
        names = tuple(map(str, range(task.classes)))
    train, validation, test = splits
    return Raw(train, test, names, validation)
