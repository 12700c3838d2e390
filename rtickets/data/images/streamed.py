"""Images that stay encoded on disk and are decoded when they are looked at."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from rtickets.data.images.on_demand import OnDemand
from rtickets.data.images.pictures import read_file
from rtickets.data.images.views import View, decode
from rtickets.errors import InputError


class Encoded(Protocol):
    """A sequence of image files, wherever they lie; one that cannot be read is an InputError."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def read(self, index: int) -> bytes:
        """Return the contents of one."""
        ...

    def name(self, index: int) -> str:
        """Return what errors call one."""
        ...


@runtime_checkable
class Streamed(Protocol):
    """An array that stays on disk, of which parts are decoded on demand; examples first.

    `numpy.asarray` decodes all of it, as it is evaluated. Where an image and what belongs to its
    places are both streamed, the same seed cuts both alike.
    """

    dtype: np.dtype[Any]
    workers: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of examples, and the shape of each."""
        ...

    def __len__(self) -> int:
        """Return the number of examples."""
        ...

    def __getitem__(self, part: Any) -> "Streamed":
        """Return some of them, by a slice or an array of indices, still on disk."""
        ...

    def evaluation(self, index: int) -> np.ndarray:
        """Return one as it is evaluated."""
        ...

    def training(self, index: int, seed: Sequence[int]) -> np.ndarray:
        """Return one as it is trained on; the seed is of what is random."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """Image files in folders."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        """Return their number."""
        return len(self.paths)

    def read(self, index: int) -> bytes:
        """Return the contents of one."""
        return read_file(self.paths[index])

    def name(self, index: int) -> str:
        """Return the path of one."""
        return str(self.paths[index])


@dataclass(frozen=True, eq=False)
class StreamedImages(OnDemand):
    """Images that look like a uint8 array (N, H, W, C), of which parts are decoded on demand.

    Indexing is lazy; `numpy.asarray` decodes, in the view of an evaluation. A file that is broken
    or has another size than the others is named when it is looked at.

    Attributes:
        files: where they are.
        chosen: which of the files, int64 (N,).
        view: how they become arrays.
        image_shape: (H, W, C) of every decoded image.
        workers: threads that decode.
        sizes: integers (F, 2), heights and widths that the files have to have; None is any.
    """

    files: Encoded
    chosen: np.ndarray
    view: View
    image_shape: tuple[int, int, int]
    workers: int = 2
    sizes: np.ndarray | None = None

    @property
    def example_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every example."""
        return self.image_shape

    def evaluation(self, index: int) -> np.ndarray:
        """Return an image as it is evaluated, uint8 (H, W, C)."""
        return self._seen(index, self.view.evaluation)

    def training(self, index: int, seed: Sequence[int]) -> np.ndarray:
        """Return an image as it is trained on, uint8 (H, W, C); the seed is of its random crop."""
        if self.view.random_crop is None:
            return self.evaluation(index)
        generator = np.random.default_rng(list(seed))
        return self._seen(index, lambda image: self.view.training(image, generator))

    def _seen(self, index: int, look: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
        number = int(self.chosen[index])
        name = self.files.name(number)
        decoded = decode(self.files.read(number), name, self.image_shape[2])
        if self.sizes is not None:
            check_size(name, (decoded.height, decoded.width), self.sizes[number].tolist())
        try:
            image = look(decoded)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if image.shape != self.image_shape:
            raise InputError(
                f"{name}: is {image.shape[0]}x{image.shape[1]}, other images are "
                f"{self.image_shape[0]}x{self.image_shape[1]}; set data.image_size"
            )
        return image


def check_size(name: object, found: tuple[int, int], said: Sequence[int]) -> None:
    """Refuse an image of another (height, width) than its annotation says."""
    if found != tuple(said):
        raise InputError(
            f"{name}: is {found[0]}x{found[1]}, its annotation says {said[0]}x{said[1]}; its boxes "
            "would lie elsewhere, so get the set again"
        )


def streamed(
    files: Encoded, view: View, workers: int | None, sizes: np.ndarray | None = None
) -> StreamedImages:
    """Return all of some files as images; without `view.size` they are as large as the first.

    Args:
        files: where they are, at least one.
        workers: threads that decode; None is one per core, at most 16.
        sizes: integers (F, 2), heights and widths that the files have to have.
    """
    shape = view.size
    if shape is None:
        width, height = decode(files.read(0), files.name(0)).size
        shape = (height, width)
    chosen = np.arange(len(files))
    workers = workers or min(os.cpu_count() or 2, 16)
    return StreamedImages(files, chosen, view, (*shape, view.channels), workers, sizes)
