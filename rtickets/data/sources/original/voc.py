"""Pascal VOC 2012 segmentation (Everingham et al. 2010), from its folder VOCdevkit."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rtickets.data.images.pictures import open_image, read_file
from rtickets.data.sources.original.listing import locate, read_lines
from rtickets.errors import InputError

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
VOID = 255  # the label of pixels that do not count


class SegmentationSplit(NamedTuple):
    """Images with a class for every pixel, read one by one.

    Attributes:
        images: JPEG files.
        masks: PNG files whose colour indices are the classes.
    """

    images: tuple[Path, ...]
    masks: tuple[Path, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read an image and its mask.

        Returns:
            (uint8 (H, W, 3), uint8 (H, W) of classes below 21, or 255 where none counts).
        """
        image = np.asarray(_open(self.images[index]).convert("RGB"))
        opened = _open(self.masks[index])
        if opened.mode not in ("P", "L"):
            raise InputError(
                f"{self.masks[index]}: has mode {opened.mode}; expected the indexed colours of VOC"
            )
        mask = np.asarray(opened)
        if mask.shape != image.shape[:2]:
            raise InputError(f"{self.masks[index]}: is {mask.shape}, its image {image.shape[:2]}")
        unknown = np.setdiff1d(mask, [*range(len(VOC_CLASSES)), VOID])
        if unknown.size:
            raise InputError(f"{self.masks[index]}: has the unknown class {unknown[0]}")
        return image, mask


def read_voc2012(root: Path) -> dict[str, SegmentationSplit]:
    """List the segmentation splits of VOC 2012, 'train' (1,464 images) and 'val' (1,449).

    Args:
        root: holds VOCdevkit/VOC2012, or the contents of one of the two.
    """
    folder = locate(root, "ImageSets/Segmentation/train.txt")
    splits = {}
    for split in ("train", "val"):
        names = read_lines(folder / "ImageSets" / "Segmentation" / f"{split}.txt")
        images = tuple(folder / "JPEGImages" / f"{name}.jpg" for name in names)
        masks = tuple(folder / "SegmentationClass" / f"{name}.png" for name in names)
        missing = [path for path in (*images, *masks) if not path.is_file()]
        if missing:
            raise InputError(f"{folder}: the list {split}.txt names {missing[0]}, which is missing")
        splits[split] = SegmentationSplit(images, masks)
    return splits


def _open(path: Path) -> Image.Image:
    image = open_image(read_file(path), path)
    try:
        image.load()
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read as an image: {error}") from None
    return image
