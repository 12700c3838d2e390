"""Small stamps and photographs in the places where Debian and scikit-image have theirs."""

import numpy as np
import pytest
from PIL import Image

from rtickets.data.sources.scenes.read import PHOTOGRAPHS, SCENE_CLASSES, STAMPS, TEXTURES


def stamp(colour, shape=(20, 30), hole=False):
    """Return a filled ellipse on a transparent ground."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    middle = [(side - 1) / 2 for side in shape]
    inside = sum(
        ((at - centre) / centre) ** 2 for at, centre in zip((rows, columns), middle, strict=True)
    )
    pixels = np.zeros((*shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = 255 * ((inside <= 0.8) & ~(hole & (inside < 0.2)))
    return pixels


def write_share(root):
    """Write a few of each into a folder."""
    for label, name in enumerate(SCENE_CLASSES):
        folder = root / STAMPS / name / "kind"
        folder.mkdir(parents=True)
        for index in range(5):
            colour = (40 * label, 50 * index, 200)
            pixels = stamp(colour, (20, 30 + 5 * label + index))  # no two of one outline
            Image.fromarray(pixels).save(folder / f"thing{'abcde'[index]}.png")
        Image.fromarray(stamp((40 * label, 0, 90), (22, 30 + label))).save(folder / "thinga-2.png")
        Image.new("RGBA", (9, 9), "red").save(folder / "full.png")
    for number, name in enumerate(PHOTOGRAPHS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (90, 70), (0, 255, 10 * number)).save(root / name, quality=100)


@pytest.fixture(scope="session")
def share(tmp_path_factory):
    root = tmp_path_factory.mktemp("share")
    write_share(root)
    return root


@pytest.fixture(scope="session")
def textures(tmp_path_factory):
    root = tmp_path_factory.mktemp("textures")
    for number, name in enumerate(TEXTURES):
        Image.new("L" if name.endswith("png") else "RGB", (80, 80), 10 * number).save(root / name)
    return root
