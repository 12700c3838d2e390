"""Pascal VOC 2012 segmentation (Everingham et al. 2010), from its folder VOCdevkit.

The augmented list (Hariharan et al. 2011) is used where its masks lie in SegmentationClassAug and
its names in ImageSets/Segmentation/trainaug.txt, as it is commonly distributed.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rtickets.data.images.pictures import open_image, read_file, size_in
from rtickets.data.sources.original.listing import locate, read_names
from rtickets.errors import InputError

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
VOID = 255  # the label of pixels that do not count
AUGMENTED = "trainaug"
_FOLDERS = {
    "train": "SegmentationClass", "val": "SegmentationClass", AUGMENTED: "SegmentationClassAug",
}  # fmt: skip


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
        image, mask = self.read_image(index), self.read_mask(index)
        if mask.shape != image.shape[:2]:
            raise InputError(f"{self.masks[index]}: is {mask.shape}, its image {image.shape[:2]}")
        return image, mask

    def read_image(self, index: int) -> np.ndarray:
        """Read an image, uint8 (H, W, 3)."""
        return np.asarray(_open(self.images[index]).convert("RGB"))

    def read_mask(self, index: int) -> np.ndarray:
        """Read a mask that fits its image, uint8 (H, W); see `read`."""
        path = self.masks[index]
        opened = _open(path)
        if opened.mode not in ("P", "L"):
            raise InputError(f"{path}: has mode {opened.mode}; expected the indexed colours of VOC")
        mask = np.asarray(opened)
        found = np.unique(mask)
        unknown = np.setdiff1d(found, [*range(len(VOC_CLASSES)), VOID])
        if unknown.size:
            raise InputError(f"{path}: has the unknown class {unknown[0]}")
        if opened.mode == "P":
            _check_palette(opened, found, path)
        height, width = size_in(self.images[index])
        if mask.shape != (height, width):
            raise InputError(f"{path}: is {mask.shape}, its image {(height, width)}")
        return mask


def _check_palette(mask: Image.Image, found: np.ndarray, path: Path) -> None:
    """Refuse indices whose colours are those of other classes: the palette was sorted anew."""
    palette = np.array(mask.getpalette("RGB"), np.int64).reshape(-1, 3)
    for index in found[found < len(palette)].tolist():
        colour = palette[index].tolist()
        if colour not in ([index] * 3, voc_colour(index)):
            raise InputError(
                f"{path}: its colour {index} is {tuple(colour)}, that of the class is "
                f"{tuple(voc_colour(index))}: its palette was changed, so that indices are no "
                "classes; get the file again"
            )


def voc_colour(index: int) -> list[int]:
    """Return the colour of a class in VOC's palette, from the development kit: bits spread out."""
    return [
        sum(((index >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(8))
        for channel in range(3)
    ]


def read_voc2012(root: Path) -> dict[str, SegmentationSplit]:
    """List the segmentation splits of VOC 2012, 'train' (1,464 images) and 'val' (1,449).

    Where there is the augmented list, it is 'trainaug' (10,582 images).

    Args:
        root: holds VOCdevkit/VOC2012, or the contents of one of the two.
    """
    folder = locate(root, "ImageSets/Segmentation/train.txt")
    splits = {}
    for split, masks_in in _FOLDERS.items():
        file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        if split == AUGMENTED and not file.is_file():
            continue
        names = read_names(file)
        images = tuple(folder / "JPEGImages" / f"{name}.jpg" for name in names)
        masks = tuple(folder / masks_in / f"{name}.png" for name in names)
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
