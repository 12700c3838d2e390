"""`stamps_objects`: the scenes of `stamps_scenes`, each cut down to its most visible object."""

from pathlib import Path

import numpy as np
from PIL import Image

from rtickets.data.arrays import Raw, Split, labelled
from rtickets.data.sources.scenes.read import scenes_once

SCALE = 2
"""How much larger than its windows a scene is composed."""
_MARGIN = 1.25  # sides of a window, in the long side of what can be seen of its object


def read_objects(share: Path, textures: Path, size: int) -> Raw:
    """Compose the scenes and cut a square out of each, around the object of its label.

    Args:
        share: as of `rtickets.data.sources.scenes.read.read_scenes`.
        textures: likewise.
        size: height and width of the squares; scenes are composed `SCALE` times as large.

    Returns:
        As many classified images as scenes, black where a square leaves its scene, in the same
        splits, so that no object is in two of them.
    """
    raw = scenes_once(share, textures, SCALE * size)
    assert raw.validation is not None
    assert raw.test is not None
    train, validation, test = (
        windows(split, size) for split in (raw.train, raw.validation, raw.test)
    )
    return Raw(train, test, raw.class_names, validation)


def windows(scenes: Split, size: int) -> Split:
    """Return a square around the object of every scene's label, with the label."""
    images = [
        _window(image, corners[1, :2], corners[4, :2], size)
        for image, corners in zip(
            np.asarray(scenes.images), scenes.arrays["keypoints"], strict=True
        )
    ]
    return labelled(np.stack(images), scenes.labels)


def _window(image: np.ndarray, start: np.ndarray, end: np.ndarray, size: int) -> np.ndarray:
    """Return a square around the box from `start` to `end`, each (down, right)."""
    half = _MARGIN * float((end - start).max()) / 2
    middle = (start + end) / 2
    top, left = (round(float(place) - half) for place in middle)
    side = max(1, round(2 * half))
    cut = Image.fromarray(image).crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR))
