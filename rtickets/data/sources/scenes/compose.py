"""One scene: objects on a part of a photograph, with the mask and boxes of what can be seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from rtickets.data.sources.scenes.cutouts import Cutout
from rtickets.errors import InputError

OBJECTS = 3
"""Most objects of a scene, and rows of its boxes."""
IGNORED = 255
"""The value of a mask where a pixel is part object, part ground; as in PASCAL VOC."""
BACKGROUND = 0

_OPAQUE, _TRANSPARENT = 0.75, 0.25  # between them, a pixel is ignored
_SIDES = 0.3, 0.7  # of an object's long side, in sides of the scene
_INSIDE = 0.85  # least part of an object, along each axis, that lies in the scene
_VISIBLE = 0.4  # least part of an object that others leave uncovered
_ATTEMPTS = 40


class Scene(NamedTuple):
    """A picture and what is in it.

    Attributes:
        image: uint8 (S, S, 3).
        mask: uint8 (S, S): 0 is ground, class c is c + 1, 255 is neither.
        boxes: float32 (OBJECTS, 4): top, left, bottom, right in pixels, of what can be seen of an
            object; zeros in rows without one.
        classes: int32 (OBJECTS,): classes of the boxes, -1 in rows without one.
        label: class of the object of which most can be seen.
        keypoints: float32 (5, 3), of the box of that object: its middle and its corners top left,
            top right, bottom left and bottom right; down, right and 2 for labelled and in sight.
        area: how many pixels of it can be seen.
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    label: int
    keypoints: np.ndarray
    area: float


class _Placed(NamedTuple):
    """Where an object lies; `opacity` (S, S) in [0, 1], `colour` (S, S, 3)."""

    opacity: np.ndarray
    colour: np.ndarray
    label: int


def compose(
    photographs: Sequence[np.ndarray],
    cutouts: Sequence[Cutout],
    generator: np.random.Generator,
    size: int,
) -> Scene:
    """Compose one to three objects on a part of a photograph.

    Args:
        photographs: uint8 (H, W, 3), at least `size` high and wide.
        cutouts: objects; classes are drawn first, so that those with many cut-outs are no more
            frequent than the others.
        generator: draws the scene.
        size: height and width.
    """
    image = _ground(photographs[int(generator.integers(len(photographs)))], generator, size)
    placed: list[_Placed] = []
    labels = sorted({cutout.label for cutout in cutouts})
    wanted = 1 + generator.integers(OBJECTS)
    # What cannot be seen itself, or would hide another, is drawn anew.
    for _ in range(_ATTEMPTS):
        label = labels[generator.integers(len(labels))]
        of_class = [cutout for cutout in cutouts if cutout.label == label]
        here = _place(of_class[generator.integers(len(of_class))], generator, size)
        if _leaves_visible(placed, here):
            placed.append(here)
        if len(placed) == wanted:
            break
    if not placed:
        raise InputError(f"of {len(cutouts)} cut-outs none can be seen in {size}x{size} pixels")
    ids = _owners(placed, size)
    for here in placed:
        part = here.opacity[..., None]
        image = part * here.colour + (1 - part) * image
    return _described(np.rint(image).astype(np.uint8), placed, ids)


def _ground(photograph: np.ndarray, generator: np.random.Generator, size: int) -> np.ndarray:
    """Return a random square of a photograph, mirrored at random, float (size, size, 3)."""
    height, width = photograph.shape[:2]
    side = int(generator.integers(size, min(height, width) + 1))
    top = int(generator.integers(height - side + 1))
    left = int(generator.integers(width - side + 1))
    square = Image.fromarray(photograph[top : top + side, left : left + side])
    pixels = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR), np.float64)
    return pixels[:, ::-1] if generator.random() < 0.5 else pixels


def _place(cutout: Cutout, generator: np.random.Generator, size: int) -> _Placed:
    """Scale, mirror and move an object."""
    pixels = cutout.pixels[:, ::-1] if generator.random() < 0.5 else cutout.pixels
    long_side = generator.uniform(*_SIDES) * size
    scale = long_side / max(pixels.shape[:2])
    height, width = (max(2, round(side * scale)) for side in pixels.shape[:2])
    weighted = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGBa")
    weighted = weighted.resize((width, height), Image.Resampling.BILINEAR)
    canvas = Image.new("RGBa", (size, size))
    canvas.paste(weighted, (_offset(width, generator, size), _offset(height, generator, size)))
    whole = np.asarray(canvas.convert("RGBA"), np.float64)
    return _Placed(whole[..., 3] / 255, whole[..., :3], cutout.label)


def _offset(side: int, generator: np.random.Generator, size: int) -> int:
    outside = int((1 - _INSIDE) * side)
    return int(generator.integers(-outside, size - side + outside + 1))


def _leaves_visible(placed: Sequence[_Placed], new: _Placed) -> bool:
    """Return whether an object can be seen, and leaves enough of the others to be seen."""
    if not (new.opacity >= _OPAQUE).any():
        return False
    size = len(new.opacity)
    ids = _owners([*placed, new], size)
    for index, here in enumerate(placed):
        whole = (here.opacity >= _OPAQUE).sum()
        if (ids == index).sum() < _VISIBLE * whole:
            return False
    return True


def _owners(placed: Sequence[_Placed], size: int) -> np.ndarray:
    """Return which object each pixel shows, int64 (size, size): -1 is ground, -2 is undecided."""
    ids = np.full((size, size), -1)
    for index, here in enumerate(placed):
        ids[here.opacity > _TRANSPARENT] = -2
        ids[here.opacity >= _OPAQUE] = index
    return ids


def _described(image: np.ndarray, placed: Sequence[_Placed], ids: np.ndarray) -> Scene:
    mask = np.where(ids == -2, IGNORED, BACKGROUND).astype(np.uint8)
    boxes = np.zeros((OBJECTS, 4), np.float32)
    classes = np.full(OBJECTS, -1, np.int32)
    for index, here in enumerate(placed):
        seen = ids == index
        mask[seen] = here.label + 1
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        boxes[index] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        classes[index] = here.label
    areas = [(ids == index).sum() for index in range(len(placed))]
    most = int(np.argmax(areas))
    return Scene(
        image, mask, boxes, classes, placed[most].label,
        _extent(boxes[most]), float(areas[most]),
    )  # fmt: skip


def _extent(box: np.ndarray) -> np.ndarray:
    """Return the middle and the corners of a box as keypoints."""
    top, left, bottom, right = box
    middle = (top + bottom) / 2, (left + right) / 2
    points = np.array([middle, (top, left), (top, right), (bottom, left), (bottom, right)])
    return np.concatenate([points, np.full((5, 1), 2)], 1).astype(np.float32)
