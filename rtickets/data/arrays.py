"""Images and labels as arrays, checked once at the boundary."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.platform.short_repr import with_short_repr

if TYPE_CHECKING:
    from rtickets.data.images.streamed import StreamedImages

Metric = Literal["accuracy", "balanced"]


@with_short_repr
class Split(NamedTuple):
    """Images and labels of one split.

    Attributes:
        images: uint8 (N, H, W, C); `StreamedImages` if they stay encoded on disk.
        labels: int32 (N,).
    """

    images: "np.ndarray | StreamedImages"
    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    @property
    def arrays(self) -> "dict[str, Any]":
        """The arrays of the examples by name, as tasks know them."""
        return {"image": self.images, "label": self.labels}

    def take(self, indices: np.ndarray) -> "Split":
        """Return the examples at `indices`, in that order."""
        return Split(self.images[indices], self.labels[indices])


@with_short_repr
class Table(NamedTuple):
    """Examples of any task, in memory: arrays of the same length by name, images among them."""

    arrays: dict[str, np.ndarray]

    def __len__(self) -> int:
        """Return the number of examples."""
        return min(len(each) for each in self.arrays.values())

    def take(self, indices: np.ndarray) -> "Table":
        """Return the examples at `indices`, in that order."""
        return Table({name: each[indices] for name, each in self.arrays.items()})


@with_short_repr
class Raw(NamedTuple):
    """What a source delivers.

    Attributes:
        train: the training split.
        test: its own test split, where it has one.
        class_names: one name per class.
        validation: a validation split that belongs to the task, where there is one.
        mean: per-channel mean in [0, 1], where it is known without decoding the images.
        std: per-channel standard deviation likewise.
        viewed: images in memory were resized and cropped when they were decoded.
        notes: what a user should know about it, in lines.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    validation: Split | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    viewed: bool = False
    notes: tuple[str, ...] = ()


@with_short_repr
class Dataset(NamedTuple):
    """A task, split.

    Attributes:
        train: what weights are fitted on.
        validation: what choices are made on.
        test: what is reported.
        class_names: one name per class.
        mean: per-channel mean of the training images in [0, 1].
        std: per-channel standard deviation likewise.
        metric: what accuracies on it are: 'accuracy', or 'balanced' over the classes.
        viewed: images are resized and cropped when they are decoded, or were.
        notes: what a user should know about it, in lines.
    """

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    metric: Metric = "accuracy"
    viewed: bool = False
    notes: tuple[str, ...] = ()


def in_memory(raw: Raw) -> Raw:
    """Decode all images, training images as others, so that crops are made on the device."""
    splits = (
        None if split is None else Split(np.asarray(split.images), split.labels)
        for split in (raw.train, raw.test, raw.validation)
    )
    train, test, validation = splits
    assert train is not None
    viewed = raw.viewed or is_viewed(raw.train)
    return raw._replace(train=train, test=test, validation=validation, viewed=viewed)


def is_viewed(split: Split) -> bool:
    """Return whether images of a split are brought to their final size when they are decoded."""
    return not isinstance(split.images, np.ndarray) and split.images.view.size is not None


def checked_split(images: np.ndarray, labels: np.ndarray, num_classes: int, name: str) -> Split:
    """Check the arrays of a split and bring them into our layout.

    Args:
        images: uint8 (N, H, W) or (N, H, W, C) with C of 1 or 3.
        labels: integers (N,) in [0, num_classes).
        num_classes: number of classes; each must have an example.
        name: what the errors call the split.

    Returns:
        The split, images with a channel axis and labels as int32.

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
    return Split(np.ascontiguousarray(images), labels)
