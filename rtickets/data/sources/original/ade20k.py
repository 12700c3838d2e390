"""ADE20K as it is segmented: the scene parsing benchmark (Zhou et al. 2017), 150 classes.

ROOT/{images,annotations}/{training,validation}, JPEG and PNG files of the same names, in the
folder ADEChallengeData2016, and there objectInfo150.txt. In masks 0 counts nowhere, and class c is
c + 1.
"""

from pathlib import Path

import numpy as np

from rtickets.data.sources.original.listing import locate, read_lines
from rtickets.data.sources.original.mask_pairs import MaskPairs, paired, values_of
from rtickets.errors import InputError

CLASSES = 150
MOST = (512, 1024)
"""Short and long side that images are scaled down to, where they are larger."""

_INFO, _NAMES = "objectInfo150.txt", "Name"
_SPLITS = {"train": "training", "val": "validation"}
_TABLE, _KNOWN = values_of(range(1, CLASSES + 1), (0,))


def read_ade20k(root: Path) -> tuple[tuple[str, ...], dict[str, MaskPairs]]:
    """List the training and validation images, 'train' (20,210 images) and 'val' (2,000).

    Args:
        root: holds the layout, or a folder that does.

    Returns:
        Names of the classes, from objectInfo150.txt where it is, else their numbers; the splits.

    Raises:
        InputError: naming what is missing, or a pair that does not fit.
    """
    folder = locate(root, "annotations/training")
    splits = {}
    for split, name in _SPLITS.items():
        images, masks = folder / "images" / name, folder / "annotations" / name
        for each in (images, masks):
            if not each.is_dir():
                raise InputError(f"{each}: is missing; it holds a split of ADE20K")
        ours = {path.stem: path for path in sorted(images.glob("*.jpg"))}
        theirs = {path.stem: path for path in sorted(masks.glob("*.png"))}
        splits[split] = MaskPairs(
            *paired(ours, theirs, images), np.asarray(_TABLE), np.asarray(_KNOWN), MOST
        )
    return _names(folder / _INFO), splits


def _names(path: Path) -> tuple[str, ...]:
    """Return the first name of every class; columns are divided by tabulators."""
    if not path.is_file():
        return tuple(str(number) for number in range(CLASSES))
    head, *rows = (line.split("\t") for line in read_lines(path))
    column = next((place for place, each in enumerate(head) if each.strip() == _NAMES), None)
    if column is None or len(rows) != CLASSES or min(map(len, rows)) <= column:
        raise InputError(
            f"{path}: has {len(rows)} rows under {', '.join(head)}; expected {CLASSES} rows with a "
            f"column {_NAMES}, divided by tabulators; get it again or remove it"
        )
    names = [row[column].split(",")[0].strip() for row in rows]
    # Two classes of the benchmark begin with the same name; the number tells them apart.
    return tuple(
        name if names.count(name) == 1 else f"{name} {number}"
        for number, name in enumerate(names, 1)
    )
