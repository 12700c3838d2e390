"""Examples as arrays, checked once at the boundary."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from rtickets.data.images.streamed import StreamedImages
from rtickets.errors import InputError
from rtickets.models.bert import SEGMENT
from rtickets.models.inputs import Input
from rtickets.platform.short_repr import with_short_repr

Metric = Literal["accuracy", "balanced"]
IMAGE, LABEL = "image", "label"
"""Names of the images of a split, and of their classes."""


@with_short_repr
@dataclass(frozen=True, eq=False)
class Split:
    """Examples of one split, as arrays by the names that the batches of their task have.

    Attributes:
        arrays: examples first, all of the same length, NumPy's or `Streamed` if they stay on disk.
            One called `image` is uint8 (N, H, W, C) or `StreamedImages`. Of classified images,
            `label` is int32 (N,).
    """

    arrays: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check that the arrays are of the same examples."""
        lengths = {name: len(each) for name, each in self.arrays.items()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"the arrays of a split have lengths {lengths}; expected one length")

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(next(iter(self.arrays.values())))

    @property
    def images(self) -> np.ndarray | StreamedImages:
        """The images."""
        found: np.ndarray | StreamedImages = self.arrays[IMAGE]
        return found

    @property
    def labels(self) -> np.ndarray:
        """The classes of the images, where they have some."""
        found: np.ndarray = self.arrays[LABEL]
        return found

    @property
    def streamed(self) -> bool:
        """Whether something stays on disk."""
        return not all(isinstance(each, np.ndarray) for each in self.arrays.values())

    @property
    def spec(self) -> dict[str, Input]:
        """What an example is stored as, by name, and how many kinds of sentences texts have."""
        found = {
            name: Input(name, tuple(each.shape[1:]), str(each.dtype))
            for name, each in self.arrays.items()
        }
        if SEGMENT in found:
            sentences = int(self.arrays[SEGMENT].max(initial=0)) + 1
            found[SEGMENT] = found[SEGMENT]._replace(values=sentences)
        return found

    def take(self, indices: np.ndarray) -> "Split":
        """Return the examples at `indices`, in that order."""
        return Split({name: each[indices] for name, each in self.arrays.items()})

    def decoded(self) -> dict[str, np.ndarray]:
        """Return the arrays in memory, streamed images decoded, all at once."""
        return {name: np.asarray(each) for name, each in self.arrays.items()}

    def having(self, **arrays: Any) -> "Split":
        """Return the split with arrays in the place of those of their names."""
        return Split({**self.arrays, **arrays})


def labelled(images: np.ndarray | StreamedImages, labels: np.ndarray) -> Split:
    """Return images, see `Split`, and their classes, int32 (N,), as a split."""
    return Split({IMAGE: images, LABEL: labels})


@with_short_repr
class Raw(NamedTuple):
    """What a source delivers.

    Attributes:
        train: the training split.
        test: its own test split, where it has one.
        class_names: one name per class, of images that are classified.
        validation: a validation split that belongs to the task, where there is one.
        mean: per-channel mean in [0, 1], where it is known without decoding the images.
        std: per-channel standard deviation likewise.
        viewed: images in memory were resized and cropped when they were decoded.
        notes: what a user should know about it, in lines.
        ground: masks have a ground, 0, besides the classes, which count from 1 then, else from 0.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...] = ()
    validation: Split | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    viewed: bool = False
    notes: tuple[str, ...] = ()
    ground: bool = True


@with_short_repr
class Dataset(NamedTuple):
    """A data set, split.

    Attributes:
        train: what weights are fitted on.
        validation: what choices are made on.
        test: what is reported.
        class_names: one name per class, of images that are classified.
        mean: per-channel mean of the training images in [0, 1]; () where there are no images.
        std: per-channel standard deviation likewise.
        viewed: images are resized and cropped when they are decoded, or were.
        notes: what a user should know about it, in lines.
        ground: see `Raw`.
    """

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    viewed: bool = False
    notes: tuple[str, ...] = ()
    ground: bool = True


def in_memory(raw: Raw) -> Raw:
    """Decode everything, training images as others, so that crops are made on the device."""
    splits = (
        None if split is None else Split(split.decoded())
        for split in (raw.train, raw.test, raw.validation)
    )
    train, test, validation = splits
    assert train is not None
    viewed = raw.viewed or is_viewed(raw.train)
    return raw._replace(train=train, test=test, validation=validation, viewed=viewed)


def is_viewed(split: Split) -> bool:
    """Return whether images of a split are brought to their final size when they are decoded."""
    images = split.arrays.get(IMAGE)
    return isinstance(images, StreamedImages) and images.view.size is not None


def checked_split(images: np.ndarray, labels: np.ndarray, num_classes: int, name: str) -> Split:
    """Check the arrays of a split and bring them into our layout.

    Args:
        images: uint8 (N, H, W) or (N, H, W, C) with C of 1 or 3.
        labels: integers (N,) in [0, num_classes).
        num_classes: number of classes; each must have an example.
        name: what the errors call the split.

    Raises:
        InputError: for a wrong dtype, shape or label, or a class without examples.
    """
    if images.dtype != np.uint8:
        raise InputError(f"{name}: images are {images.dtype}; expected uint8 in [0, 255]")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise InputError(
            f"{name}: images have shape {images.shape}; expected (N, H, W), (N, H, W, 1) or "
            "(N, H, W, 3)"
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{name}: labels are {labels.dtype} of shape {labels.shape}; expected integers of "
            f"shape {images.shape[:1]} (the argmax of one-hot labels)"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            f"{name}: labels lie in [{labels.min()}, {labels.max()}]; expected [0, {num_classes})"
        )
    labels = labels.astype(np.int32)
    empty = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
    if empty.size:
        raise InputError(f"{name}: class {empty[0]} has no examples")
    return labelled(np.ascontiguousarray(images), labels)
