"""Labels of sets of TensorFlow Datasets, and the names of their classes."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rtickets.errors import InputError
from rtickets.storage.files import write_bytes

KEPT = "rtickets_labels_"  # what the names of files begin with that keep labels beside the data
LabelFn = Callable[[dict[str, Any]], int]


class TfdsExamples(Protocol):
    """The examples of a split of TensorFlow Datasets."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def example(self, index: int) -> dict[str, Any]:
        """Return one with all its features."""
        ...

    def name(self, index: int) -> str:
        """Return what errors call one."""
        ...


def class_names_of(feature: Any, examples: int, name: str) -> tuple[str, ...]:
    """Return the names of the classes that a set describes, numbers where there are none.

    Args:
        feature: what the set says about its labels.
        examples: number of training examples, of which there must be as many as classes.
    """
    if feature.num_classes > examples:  # before `names` are made of them
        raise InputError(
            f"tfds:{name} describes {feature.num_classes:,} classes of {examples:,} training "
            "examples; its features.json is damaged"
        )
    return tuple(feature.names or map(str, range(feature.num_classes)))


def has_labels(images: TfdsExamples) -> bool:
    """Return whether any of 100 images, spread evenly, is labelled; none need not be."""
    some = range(0, len(images), max(len(images) // 100, 1))
    return not some or any(images.example(index)["label"] >= 0 for index in some)


def read_labels(
    folder: Path, images: TfdsExamples, name: str, label_fn: LabelFn | None
) -> np.ndarray:
    """Return the labels of a split, int32 (N,), which are kept beside the data once they were read.

    Args:
        folder: the data.
        name: of the file that keeps them.
        label_fn: from an example to its label; None takes its feature 'label'.
    """
    safe = "".join(c if c.isalnum() else "_" for c in name)
    file = folder / f"{KEPT}{safe}.npy"
    with contextlib.suppress(Exception):  # none, or damaged: they are read again
        with file.open("rb") as opened:
            stored = np.load(opened, allow_pickle=False)
        if (stored.shape, stored.dtype) == ((len(images),), np.int32) and stored.min() >= 0:
            return stored
    of = label_fn or (lambda example: int(example["label"]))
    labels = np.fromiter((_label(of, images, i) for i in range(len(images))), np.int32)
    if labels.min() < 0:
        raise InputError(f"{images.name(int(labels.argmin()))}: has no label")
    buffer = io.BytesIO()
    np.save(buffer, labels)
    with contextlib.suppress(OSError):  # a folder of others' data: read the labels every time
        write_bytes(file, buffer.getvalue())
    return labels


def _label(of: LabelFn, images: TfdsExamples, index: int) -> int:
    try:
        label = of(images.example(index))
    except InputError:
        raise
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{images.name(index)}: has no label: {one_line(error)}") from None
    if not -1 <= label < 2**31:
        raise InputError(f"{images.name(index)}: has the label {label}; expected 0, 1, ...")
    return label


def one_line(error: Exception) -> str:
    """Return what an error of another package says, shortened to a line."""
    return " ".join(str(error).split())[:300]
