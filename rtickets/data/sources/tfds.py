"""Sets of TensorFlow Datasets by name, read without TensorFlow.

They have to lie on disk as array_record files, which can be read at random places; `rtickets data
prepare tfds:NAME` makes these, and needs TensorFlow. Nothing is ever downloaded here.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from rtickets.data.arrays import Raw, Split, labelled
from rtickets.data.images.streamed import streamed
from rtickets.data.images.views import View
from rtickets.data.settings import DataConfig
from rtickets.data.sources.prepared_sets import data_root
from rtickets.data.sources.public import PUBLIC_SETS
from rtickets.data.sources.source import Augmentation, Source
from rtickets.data.sources.tfds_labels import (
    LabelFn,
    class_names_of,
    has_labels,
    one_line,
    read_labels,
)
from rtickets.errors import InputError


def tfds_source(name: str) -> Source:
    """Return the source of a set, by its name in TensorFlow Datasets.

    The name has a configuration and version where needed. Metric and augmentation are those of our
    set of that name, where there is one.
    """
    ours = PUBLIC_SETS.get(name.split("/")[0].split(":")[0])
    return Source(
        partial(load_tfds, name),
        f"{name} of TensorFlow Datasets",
        "rtickets[tfds]",
        ours.augmentation if ours else Augmentation(),
        ours.metric if ours else "accuracy",
        files=partial(tfds_files, name),
        within=folder_in_root(name),
    )


def tfds_root() -> Path:
    """Return where sets of TensorFlow Datasets lie by default."""
    return data_root() / "tfds"


def tfds_files(name: str, config: DataConfig) -> Path:
    """Return the folder of a set, of whichever version."""
    root = tfds_root() if config.path is None else Path(config.path)
    return root / folder_in_root(name)


def folder_in_root(name: str) -> str:
    """Return the folder of a set, with its configurations and versions, among all sets."""
    return re.split("[/:]", name)[0]


class TfdsImages:
    """The encoded images of a split; workers may share it."""

    def __init__(self, builder: Any, split: str, name: str) -> None:
        """Open a split, such as 'train' or 'train[:800]'."""
        import tensorflow_datasets as tfds

        self._name = f"{name}, {split}"
        try:
            self._source = builder.as_data_source(
                split=split, decoders={"image": tfds.decode.SkipDecoding()}
            )
        except Exception as error:  # whatever is wrong with the files
            raise InputError(
                f"{builder.data_path}: cannot be read as array_record files: {one_line(error)}; "
                f"run rtickets data prepare tfds:{name}"
            ) from None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._source)

    def example(self, index: int) -> dict[str, Any]:
        """Return an example with all its features, its image encoded."""
        try:
            return self._source[index]
        except Exception as error:  # damage surfaces as whatever the reader trips over
            raise InputError(f"{self.name(index)}: cannot be read: {one_line(error)}") from None

    def read(self, index: int) -> bytes:
        """Return the contents of one image."""
        image = self.example(index)["image"]
        return image if isinstance(image, bytes) else bytes(image)

    def name(self, index: int) -> str:
        """Return the split and the number of one."""
        return f"tfds:{self._name}, example {index}"


def load_tfds(name: str, config: DataConfig, view: View) -> Raw:
    """Load a set that TensorFlow Datasets has prepared; its images stay encoded.

    Training and validation splits are one where there is a test split as well; without one, a
    validation split is for testing. A test split without labels (they are -1), as ImageNet has it
    there since version 5.1.0, counts as none.

    Args:
        name: as TensorFlow Datasets calls it.
        config: `path` is its folder of data sets; threads that decode.
        view: how images of many sizes become arrays; images of one size stay as they are.
    """
    builder = open_builder(name, config.path)
    features, splits = builder.info.features, builder.info.splits
    if "train" not in splits or not {"image", "label"} <= set(features):
        raise InputError(
            f"tfds:{name} has the splits {sorted(splits)} and the features {sorted(features)}; "
            "expected a split 'train' of images with labels"
        )
    held_out = [split for split in ("validation", "test") if split in splits]
    if "test" in held_out and not has_labels(TfdsImages(builder, "test", name)):
        held_out.remove("test")
    train = "train+validation" if len(held_out) == 2 else "train"
    own_view = view_of(features["image"], view)
    parts = [
        load_split(builder, split, name, own_view, config.workers)
        for split in (train, *held_out[-1:])
    ]
    names = class_names_of(features["label"], len(parts[0]), name)
    return Raw(parts[0], parts[1] if len(parts) > 1 else None, names)


def load_split(
    builder: Any,
    split: str,
    name: str,
    view: View,
    workers: int | None,
    label_fn: LabelFn | None = None,
    task: str = "label",
) -> Split:
    """Load a split and its labels, which are kept beside the data once they have been read.

    Args:
        builder: of `open_builder`.
        split: as TensorFlow Datasets writes it.
        label_fn: from an example to its label; None takes its feature 'label'.
        task: what the label is, for the name of the file.
    """
    images = TfdsImages(builder, split, name)
    if not len(images):
        raise InputError(f"{builder.data_path}: the split {split} is empty")
    labels = read_labels(Path(builder.data_path), images, f"{task}-{split}", label_fn)
    return labelled(streamed(images, view, workers), labels)


def open_builder(name: str, path: str | None) -> Any:
    """Open a prepared set in its folder of data sets; nothing is downloaded."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError(f"source='tfds:{name}' needs pip install 'rtickets[tfds]'") from None
    root = Path(path) if path is not None else tfds_root()
    how = f"run: rtickets data prepare tfds:{name} --data-dir={root}"
    folder = _folder_of(root, name)
    if folder is None:
        raise InputError(f"{root}: tfds:{name} is not there; {how}")
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # whatever is wrong with its descriptions
        raise InputError(f"{folder}: cannot be opened: {one_line(error)}; {how}") from None


def _folder_of(root: Path, name: str) -> Path | None:
    """Return the folder of a set's newest version, or of the one that its name tells."""
    own, _, version = name.partition(":")
    for pattern in ("*/dataset_info.json", "*/*/dataset_info.json"):  # without configurations, with
        found = [file.parent for file in (root / own).glob(pattern)]
        found = [folder for folder in found if version in ("", folder.name)]
        if found:
            break
    configurations = sorted({folder.parent.name for folder in found})
    if len(configurations) > 1:
        raise InputError(
            f"{root / own}: holds the configurations {', '.join(configurations)}; choose one, such "
            f"as tfds:{own}/{configurations[0]}"
        )
    # By number: as text, version 10 would come before 9.
    return max(
        found, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)], default=None
    )


def view_of(feature: Any, view: View) -> View:
    """Return the view of images that a set describes, as `feature`.

    Images of one size stay as they are, and are resized on the device.
    """
    height, width, channels = feature.shape
    channels = 1 if channels == 1 else 3
    if height is not None and width is not None:
        return View(None, channels=channels)
    return view._replace(channels=channels)
