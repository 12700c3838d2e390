"""Objects and photographs that scenes are composed of, and how they are divided among splits."""

import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from rtickets.data.images.pictures import open_image, read_file
from rtickets.data.images.views import decode
from rtickets.errors import InputError

_FILLED = 0.98  # a cut-out that fills more of its picture has no outline
_EMPTY = 0.02
_SHAPE = "\0"  # begins what is no name
_COUNTED = re.compile(r"([-_ ]?mirror|[-_ ]?\d+)+$")
_Part = TypeVar("_Part")


class Cutout(NamedTuple):
    """An object on a transparent ground.

    Attributes:
        pixels: uint8 RGBA, trimmed to what can be seen.
        label: its class.
        identity: what other pictures of the same object share with it.
    """

    pixels: np.ndarray
    label: int
    identity: str


def read_cutouts(folder: Path, classes: Sequence[str], largest: int) -> list[Cutout]:
    """Read the pictures of some classes that have an outline, in the order of their names.

    Args:
        folder: has a folder per class, with PNG files at any depth.
        classes: names of the folders.
        largest: longest side that pictures are scaled down to.

    Raises:
        InputError: naming a class without cut-outs, or a picture that cannot be read.
    """
    found: list[Cutout] = []
    joined = _Joined()
    for label, name in enumerate(classes):
        before = len(found)
        for path in sorted((folder / name).rglob("*.png")):
            image = _read_transparent(path)
            pixels = _trimmed(_scaled(image, largest))
            if pixels is not None:
                name = _identity(path, folder)
                joined.join(name, _outline(image))
                found.append(Cutout(pixels, label, name))
        if len(found) == before:
            raise InputError(f"{folder / name}: no picture with a transparent ground")
    return [cutout._replace(identity=joined.first(cutout.identity)) for cutout in found]


class _Joined:
    """Names that belong together because they share something, such as an outline."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def first(self, name: str) -> str:
        """Return the first name of those that belong to this one."""
        while (before := self._before.get(name, name)) != name:
            name = before
        return name

    def join(self, name: str, shared: str) -> None:
        """Note that a name belongs to whatever else shares this."""
        ends = (self.first(name), self.first(shared))
        kept, other = sorted(ends, key=lambda one: one.startswith(_SHAPE))
        self._before[other] = kept


def _outline(image: Image.Image) -> str:
    """Return what pictures of one outline share, also where one is the mirror of the other.

    It is that of the picture as it is stored, whatever size it is scaled down to.
    """
    seen = np.asarray(image)[..., 3] > 127
    sides = min(np.packbits(seen).tobytes(), np.packbits(seen[:, ::-1]).tobytes())
    return f"{_SHAPE}{seen.shape}{sha256(sides).hexdigest()}"


def _identity(path: Path, folder: Path) -> str:
    """Return a name that `frog.png`, `frog-1.png` and `frog_mirror.png` of one folder share."""
    relative = path.relative_to(folder)
    return (relative.parent / _COUNTED.sub("", relative.stem)).as_posix()


def _read_transparent(path: Path) -> Image.Image:
    image = open_image(read_file(path), path)
    try:
        return image.convert("RGBA")
    except Exception as error:  # damage surfaces as whatever the decoder trips over
        raise InputError(f"{path}: cannot be read as an image: {error}") from None


def _scaled(image: Image.Image, largest: int) -> np.ndarray:
    # Colours of invisible pixels must not bleed into the outline: scale them weighted by opacity.
    weighted = image.convert("RGBa")
    weighted.thumbnail((largest, largest), Image.Resampling.BILINEAR)
    return np.asarray(weighted.convert("RGBA"))


def _trimmed(pixels: np.ndarray) -> np.ndarray | None:
    """Return what can be seen of a picture, None where it has no outline."""
    seen = pixels[..., 3] > 127
    if not _EMPTY < seen.mean() < _FILLED:
        return None
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def read_photographs(paths: Sequence[Path], short_side: int) -> list[np.ndarray]:
    """Read photographs, uint8 (H, W, 3), scaled down to a short side."""
    found = []
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: the photograph is missing")
        image = decode(read_file(path), str(path))
        scale = short_side / min(image.size)
        if scale < 1:
            width, height = (max(short_side, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        found.append(np.asarray(image))
    return found


def divide(
    parts: Sequence[_Part], groups: Sequence[str], shares: Sequence[float], seed: int
) -> list[list[_Part]]:
    """Divide things at random so that those of one group stay together.

    Args:
        parts: the things.
        groups: what each belongs to.
        shares: part of the groups that each division gets, with a sum of 1; the first one gets what
            rounding leaves, the others one group at least.
        seed: draws them.
    """
    names = sorted(set(groups))
    if len(names) < len(shares):
        raise InputError(f"{len(names)} different things cannot be divided by {len(shares)}")
    order = np.random.default_rng(seed).permutation(len(names))
    counts = [max(1, round(share * len(names))) for share in shares[1:]]
    ends = np.cumsum([len(names) - sum(counts), *counts])
    place = np.empty(len(names), np.int64)
    place[order] = np.searchsorted(ends, np.arange(len(names)), side="right")
    where = {name: int(place[index]) for index, name in enumerate(names)}
    return [
        [part for part, group in zip(parts, groups, strict=True) if where[group] == index]
        for index in range(len(shares))
    ]
