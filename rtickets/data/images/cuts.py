"""Parts of images that stay encoded on disk, such as one person of several, cut out on demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rtickets.data.images.on_demand import OnDemand
from rtickets.data.images.resample import Method
from rtickets.data.images.streamed import Encoded, check_size
from rtickets.data.images.views import FILTERS, decode


@dataclass(frozen=True, eq=False)
class Cuts(OnDemand):
    """Windows on image files that look like a uint8 array (N, H, W, C), decoded on demand.

    Indexing is lazy, see `rtickets.data.images.streamed.Streamed`. What lies in a window beyond its
    image is black.

    Attributes:
        files: where the images are.
        sizes: integers (F, 2), heights and widths that the files have to have.
        numbers: integers (M,), the file of every window.
        windows: float (M, 4), top, left, height and width in pixels of the file.
        chosen: which of the windows, int64 (N,).
        image_shape: (H, W, C) that every window is brought to.
        method: the filter.
        workers: threads that decode.
    """

    files: Encoded
    sizes: np.ndarray
    numbers: np.ndarray
    windows: np.ndarray
    chosen: np.ndarray
    image_shape: tuple[int, int, int]
    method: Method = "bilinear"
    workers: int = 2

    @property
    def example_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every example."""
        return self.image_shape

    def evaluation(self, index: int) -> np.ndarray:
        """Return one, uint8 (H, W, C)."""
        window = self.windows[int(self.chosen[index])]
        number = int(self.numbers[int(self.chosen[index])])
        name = self.files.name(number)
        image = decode(self.files.read(number), name, self.image_shape[2])
        check_size(name, (image.height, image.width), self.sizes[number].tolist())
        array = np.asarray(cut_out(image, window, self.image_shape[:2], self.method))
        return array[..., None] if array.ndim == 2 else array

    def training(self, index: int, seed: Sequence[int]) -> np.ndarray:
        """Return what `evaluation` does: what is random is left to the device."""
        del seed
        return self.evaluation(index)


def cut_out(
    image: Image.Image, window: np.ndarray, size: tuple[int, int], method: Method
) -> Image.Image:
    """Return a window (top, left, height, width) on an image, brought to (height, width)."""
    top, left, height, width = map(float, window)
    # Whole pixels around it first, as `resize` looks at no box outside of its image.
    corner = math.floor(left), math.floor(top)
    around = image.crop((*corner, math.ceil(left + width), math.ceil(top + height)))
    inner = left - corner[0], top - corner[1]
    box = (*inner, min(inner[0] + width, around.width), min(inner[1] + height, around.height))
    return around.resize(size[::-1], FILTERS[method], box)


def windows_around(boxes: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    """Return windows of the shape of images (height, width) around boxes (..., 4).

    Args:
        boxes: top, left, bottom and right.
        size: only its shape counts.
        margin: sides of a window, in those of the smallest one of the shape that holds its box.
    """
    sides = boxes[..., 2:] - boxes[..., :2]
    unit = (sides / np.array(size)).max(-1, keepdims=True)
    wanted = margin * unit * np.array(size)
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:] - wanted) / 2, wanted], -1)
