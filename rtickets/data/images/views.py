"""Encoded images on the host: decoded, and cut to one size where they have many."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from rtickets.data.images import boxes
from rtickets.data.images.pictures import open_image
from rtickets.data.images.resample import Method
from rtickets.errors import InputError

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class View(NamedTuple):
    """How encoded images become arrays of one shape.

    Attributes:
        size: (height, width) to cut images to, or None where all have one size already.
        resize: outside training, scale the short side to this and crop the centre; 0 stretches.
        method: the filter.
        random_crop: smallest and largest part of the area that a random resized crop takes in
            training; None looks at training images like at others.
        channels: 1 or 3.
        factor: what stored pixels are multiplied by.
    """

    size: tuple[int, int] | None
    resize: int = 0
    method: Method = "bilinear"
    random_crop: tuple[float, float] | None = None
    channels: int = 3
    factor: int = 1

    def evaluation(self, image: Image.Image) -> np.ndarray:
        """Return an image as it is evaluated, uint8 (H, W, C)."""
        if self.size is None:
            return self._array(image)
        width, height = image.size
        if not self.resize:
            return self._array(image.resize(self.size[::-1], FILTERS[self.method]))
        tall, wide = boxes.short_side((height, width), self.resize)
        image = image.resize((wide, tall), FILTERS[self.method])
        top, left = boxes.centre((tall, wide), self.size)
        return self._array(image.crop((left, top, left + self.size[1], top + self.size[0])))

    def training(self, image: Image.Image, generator: np.random.Generator) -> np.ndarray:
        """Return an image as it is trained on, uint8 (H, W, C)."""
        if self.size is None or self.random_crop is None:
            return self.evaluation(image)
        width, height = image.size
        top, left, tall, wide = self.cut((height, width), generator)
        cut = image.crop((left, top, left + wide, top + tall))
        return self._array(cut.resize(self.size[::-1], FILTERS[self.method]))

    def cut(self, shape: tuple[int, int], generator: np.random.Generator) -> tuple[int, ...]:
        """Return top, left, height and width of what training sees of an image (height, width)."""
        assert self.random_crop is not None
        shapes, place = generator.random((boxes.ATTEMPTS, 2)), generator.random(2)
        found = boxes.random_box(np, shape, shapes, place, self.random_crop)
        return tuple(found.tolist())

    def _array(self, image: Image.Image) -> np.ndarray:
        array = np.asarray(image)
        array = array * np.uint8(self.factor) if self.factor != 1 else array
        return array[..., None] if array.ndim == 2 else array


def decode(data: bytes, name: str, channels: int = 3) -> Image.Image:
    """Decode an image file to mode L (1 channel) or RGB; what is transparent becomes white.

    Raises:
        InputError: by the name that errors call it, if it is broken, of no format that is read, has
            more than 8 bits a channel, or would fill the memory.
    """
    image = open_image(data, name)
    try:
        image.load()
        return _plain(image, "L" if channels == 1 else "RGB")
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{name}: cannot be read as an image: {error}") from None


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # converting would clip it
        raise ValueError(f"it has mode {image.mode}; expected 8 bits a channel, convert it first")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)
