"""The draws of the golden file, in the form that our corruptions take."""

from typing import Any

import numpy as np

from rtickets.data.images.corruptions.digital import Displacements, Elastic
from rtickets.data.images.corruptions.frost import Textures, Window
from rtickets.data.images.corruptions.glass import Glass
from rtickets.data.images.corruptions.weather import Flakes, levels

Shape = tuple[int, int, int]


def replayed(name: str, seed: int, shape: Shape, constant: Any, textures: Textures | None) -> Any:
    """Return what the published code draws from a seed for one picture.

    Args:
        name: of the corruption.
        seed: of numpy's legacy generator.
        shape: of the picture.
        constant: of the severity.
        textures: those of frost; what it draws depends on their sizes.
    """
    random = np.random.RandomState(seed)
    if name == "gaussian_noise":
        return random.normal(size=shape)
    if name == "shot_noise":
        return random.uniform(size=shape)
    if name == "impulse_noise":
        return np.random.Generator(np.random.MT19937(seed)).random((2, *shape))
    if name == "glass_blur":
        return _glass(random, shape, constant)
    if name == "motion_blur":
        return random.uniform(-45, 45)
    if name == "snow":
        normal = random.normal(size=shape[:2])
        return Flakes(normal, random.uniform(-135, -45))
    if name == "frost":
        return _window(random, shape, textures)
    if name == "fog":
        sides = [2**level for level in range(levels(shape))]
        return tuple(tuple(random.uniform(-1, 1, (3, side, side))) for side in sides)
    if name == "elastic_transform":
        return _displacements(random, shape, constant)
    return ()


def _glass(random: np.random.RandomState, shape: Shape, constant: Glass) -> np.ndarray:
    height, width = (size - 2 * constant.reach for size in shape[:2])
    drawn = [
        random.randint(-constant.reach, constant.reach, size=2)
        for _ in range(constant.walks * height * width)
    ]
    return np.array(drawn, np.int32).reshape(constant.walks, height, width, 2)


def _window(random: np.random.RandomState, shape: Shape, textures: Textures | None) -> Window:
    assert textures is not None
    texture = random.randint(5)
    height, width = textures.sizes[texture] - np.array(shape[:2])
    down, across = random.randint(0, height), random.randint(0, width)
    return Window(np.int32(texture), (down + 0.5) / height, (across + 0.5) / width)


def _displacements(random: np.random.RandomState, shape: Shape, constant: Elastic) -> Displacements:
    corners = random.uniform(-1, 1, (3, 2)) if constant.corners else np.zeros((3, 2))
    across, down = random.uniform(-1, 1, (2, *shape[:2]))
    return Displacements(corners, across, down)
