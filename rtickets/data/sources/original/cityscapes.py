"""Cityscapes (Cordts et al. 2016): scenes of streets, 19 classes, from its two folders.

ROOT/leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and ROOT/gtFine/{train,val}/CITY/ with
*_gtFine_labelIds.png, as they are distributed, or *_gtFine_labelTrainIds.png, as the development
kit makes them.
"""

from pathlib import Path

import numpy as np

from rtickets.data.sources.original.listing import locate
from rtickets.data.sources.original.mask_pairs import MaskPairs, paired, values_of
from rtickets.errors import InputError

CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of the classes
_OTHERS = sorted({*range(34), 255} - set(_IDS))  # a number plate is -1, which 8 bits make 255
_IMAGES, _MASKS, _IMAGE = "leftImg8bit", "gtFine", "_leftImg8bit.png"
KINDS = {
    "_gtFine_labelIds.png": values_of(_IDS, _OTHERS),
    "_gtFine_labelTrainIds.png": values_of(range(19), (255,)),
}
"""Values of masks by how the names of their files end."""


def read_cityscapes(root: Path) -> dict[str, MaskPairs]:
    """List the training and validation images, 'train' (2,975 images) and 'val' (500).

    Masks are taken by `labelIds` where there are any, else by `labelTrainIds`. Other files of the
    two folders are left alone, and so is the test split, whose masks nobody has.

    Args:
        root: holds the two folders, or a folder that does.

    Raises:
        InputError: naming what is missing, or a pair that does not fit.
    """
    images, masks = locate(root, f"{_IMAGES}/train"), locate(root, f"{_MASKS}/train")
    return {split: _split(images / _IMAGES / split, masks / _MASKS / split)
            for split in ("train", "val")}  # fmt: skip


def _split(images: Path, masks: Path) -> MaskPairs:
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: is missing; it holds a split of Cityscapes")
    ours = _by_name(images, _IMAGE)
    for ending, (classes, known) in KINDS.items():
        theirs = _by_name(masks, ending)
        if theirs:
            return MaskPairs(*paired(ours, theirs, images), np.asarray(classes), np.asarray(known))
    raise InputError(f"{masks}: has no CITY/*{' or CITY/*'.join(KINDS)}")


def _by_name(folder: Path, ending: str) -> dict[str, Path]:
    """Return files by city and frame, such as 'aachen/aachen_000000_000019'."""
    return {
        path.relative_to(folder).as_posix().removesuffix(ending): path
        for path in sorted(folder.glob(f"*/*{ending}"))
    }
