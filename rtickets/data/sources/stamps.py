"""The stamps of Tux Paint: cut-outs of photographs and drawings, from Debian's package."""

from pathlib import Path

import numpy as np

from rtickets.data.arrays import Raw, labelled
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View
from rtickets.errors import InputError

STAMP_CLASSES = ("animals", "food", "household", "plants", "seasonal", "town", "vehicles")


def read_stamps(folder: Path, view: View, workers: int | None) -> Raw:
    """List the seven classes of stamps that have more than 30 images; transparency becomes white.

    Returns:
        One split of 466 images in version 2022.06.04 of the package.
    """
    files = [sorted((folder / name).rglob("*.png")) for name in STAMP_CLASSES]
    for name, paths in zip(STAMP_CLASSES, files, strict=True):
        if not paths:
            raise InputError(f"{folder / name}: class without images")
    labels = np.repeat(np.arange(len(files), dtype=np.int32), [len(paths) for paths in files])
    images = streamed(ImageFiles(tuple(p for paths in files for p in paths)), view, workers)
    return Raw(labelled(images, labels), None, STAMP_CLASSES)
