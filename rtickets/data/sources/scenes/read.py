"""`stamps_scenes`: stamps of Tux Paint on photographs, a semi-synthetic set for dense tasks."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rtickets.data.arrays import Raw, Split
from rtickets.data.settings import DataConfig
from rtickets.data.sources.scenes.compose import compose
from rtickets.data.sources.scenes.cutouts import Cutout, divide, read_cutouts, read_photographs
from rtickets.errors import InputError

SCENE_CLASSES = ("animals", "food", "household", "seasonal", "town", "vehicles")
"""Classes of stamps that no photograph below shows: plants are left to the ground."""
STAMPS = "tuxpaint/stamps"
PHOTOGRAPHS = tuple(
    f"backgrounds/mate/nature/{name}.jpg"
    for name in (
        "Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow", "RainDrops", "Storm",
        "TwoWings", "Wood", "YellowFlower",
    )
)  # fmt: skip
TEXTURES = ("brick.png", "grass.png", "gravel.png", "hubble_deep_field.jpg")
_STAMPS_IN, _PHOTOGRAPHS_IN = "tuxpaint-stamps-default", "mate-backgrounds"
SCENES = {"train": 2400, "validation": 400, "test": 800}
SIZE = 64
_SHARES = 0.6, 0.2, 0.2  # of objects, and of photographs
_SEED = 0  # the set is one set, not one per run
_CUTOUT, _PHOTOGRAPH = 2, 4  # how much larger than a scene they are kept


def read_scenes(
    share: Path, textures: Path, size: int = SIZE, scenes: dict[str, int] | None = None
) -> Raw:
    """Compose the set: no object and no photograph appears in two of its splits.

    Args:
        share: where Debian's packages tuxpaint-stamps-default and mate-backgrounds put their files,
            such as /usr/share.
        textures: folder of scikit-image's pictures.
        size: height and width of a scene.
        scenes: number of scenes by split; None is `SCENES`.

    Returns:
        Splits with the arrays of `rtickets.data.sources.scenes.compose.Scene`, the same for the
        same files. The ground may show plants, which are no class of the set.
    """
    counts = SCENES if scenes is None else scenes
    cutouts = read_cutouts(share / STAMPS, SCENE_CLASSES, _CUTOUT * size)
    paths = [*(share / name for name in PHOTOGRAPHS), *(textures / name for name in TEXTURES)]
    photographs = read_photographs(paths, _PHOTOGRAPH * size)
    names = [path.name for path in paths]
    objects = _by_class(cutouts)
    grounds = divide(photographs, names, _SHARES, _SEED)
    splits = [
        _compose_all(grounds[index], objects[index], counts[name], (_SEED, index), size)
        for index, name in enumerate(SCENES)
    ]
    return Raw(splits[0], splits[2], SCENE_CLASSES, splits[1])


@lru_cache(maxsize=2)  # the sizes of both sources that are made of scenes
def scenes_once(share: Path, textures: Path, size: int) -> Raw:
    """Return what `read_scenes` does, composed once a process: a study asks for it at every stage.

    Nobody may write to its arrays.
    """
    found = read_scenes(share, textures, size)
    for split in (found.train, found.validation, found.test):
        for array in () if split is None else split.arrays.values():
            assert isinstance(array, np.ndarray)
            array.flags.writeable = False
    return found


def check_pieces(share: Path | None, textures: Path | None) -> None:
    """Raise InputError that names all that is missing at once, and where it comes from.

    Args:
        share: as of `read_scenes`; None where nobody says.
        textures: likewise; None where scikit-image is not installed.
    """
    missing = []
    if share is None:
        missing.append("data.path is not given")
    else:
        stamps = [share / STAMPS / name for name in SCENE_CLASSES]
        photographs = [share / name for name in PHOTOGRAPHS]
        for paths, package in ((stamps, _STAMPS_IN), (photographs, _PHOTOGRAPHS_IN)):
            if absent := [path for path in paths if not path.exists()]:
                more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
                missing.append(f"{absent[0]}{more} of {package} is not there")
    if textures is None:
        missing.append("scikit-image is not installed")
    elif absent := [textures / name for name in TEXTURES if not (textures / name).is_file()]:
        missing.append(f"{absent[0]} of scikit-image is not there")
    if missing:
        raise InputError(
            f"scenes of stamps: {', '.join(missing)}; they are composed of Debian's packages "
            f"{_STAMPS_IN} and {_PHOTOGRAPHS_IN}, whose folder is data.path, such as /usr/share, "
            "and of pictures of scikit-image, pip install 'rtickets[scenes]'"
        )


def scene_files(config: DataConfig) -> tuple[Path, ...] | None:
    """Return the files that the set is composed of; textures come with a package."""
    if config.path is None:
        return None
    share = Path(config.path)
    return (share / STAMPS, *(share / name for name in PHOTOGRAPHS))


def _by_class(cutouts: Sequence[Cutout]) -> list[list[Cutout]]:
    """Divide the objects of every class among the splits."""
    divided: list[list[Cutout]] = [[] for _ in _SHARES]
    for label in sorted({cutout.label for cutout in cutouts}):
        of_class = [cutout for cutout in cutouts if cutout.label == label]
        parts = divide(of_class, [cutout.identity for cutout in of_class], _SHARES, _SEED)
        for split, part in zip(divided, parts, strict=True):
            split.extend(part)
    return divided


def _compose_all(
    photographs: Sequence[np.ndarray],
    cutouts: Sequence[Cutout],
    count: int,
    seed: tuple[int, int],
    size: int,
) -> Split:
    # A generator per scene, so that a larger set begins with the scenes of a smaller one.
    scenes = [
        compose(photographs, cutouts, np.random.default_rng((*seed, index)), size)
        for index in range(count)
    ]
    return Split(
        {
            "image": np.stack([scene.image for scene in scenes]),
            "label": np.array([scene.label for scene in scenes], np.int32),
            "mask": np.stack([scene.mask for scene in scenes]),
            "boxes": np.stack([scene.boxes for scene in scenes]),
            "classes": np.stack([scene.classes for scene in scenes]),
            "keypoints": np.stack([scene.keypoints for scene in scenes]),
            "area": np.array([scene.area for scene in scenes], np.float32),
        }
    )
