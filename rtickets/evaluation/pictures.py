"""Rows of images that an evaluation leaves to be looked at."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rtickets.errors import InputError
from rtickets.platform import processes
from rtickets.storage.files import write_bytes

FOLDER = "pictures"
Keep = Callable[[str, Any], None]
_GAP = 1  # white pixels between two images


def nowhere(name: str, images: Any) -> None:
    """Keep nothing, for callers without a folder."""


def keeper(folder: Path, names: list[str]) -> Keep:
    """Return what keeps rows as `pictures`/NAME.png in a folder, and adds their names to a list.

    A run that was killed writes them again.
    """

    def keep(name: str, images: Any) -> None:
        picture = row_of(np.asarray(images))
        processes.on_primary(lambda: _write(folder / FOLDER, name, picture))
        names.append(name)

    return keep


def _write(folder: Path, name: str, picture: bytes) -> None:
    folder.mkdir(exist_ok=True)
    write_bytes(folder / f"{name}.png", picture)


def row_of(images: np.ndarray) -> bytes:
    """Return images (K, H, W, C) in [0, 1] beside each other, a pixel for a pixel, as PNG.

    Three channels are colours; others are averaged to grey.

    Raises:
        InputError: for values that are no brightness.
    """
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise InputError("a picture has values outside of [0, 1]; the network's answers are broken")
    if images.shape[-1] != 3:
        images = images.mean(-1, keepdims=True)
    width = [(0, 0), (0, 0), (0, _GAP), (0, 0)]
    spaced = np.pad(np.round(255 * images), width, constant_values=255).astype(np.uint8)
    row = np.concatenate(list(spaced), axis=1)[:, :-_GAP]
    buffer = io.BytesIO()
    Image.fromarray(row if row.shape[-1] == 3 else row[..., 0]).save(buffer, format="PNG")
    return buffer.getvalue()
