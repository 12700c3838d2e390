"""Pictures, textures and random draws that make_corruptions.py and the tests share.

Draws are those of numpy's legacy generator, whose stream does not change between versions.
"""

import numpy as np

SHAPES = ((28, 28, 1), (32, 32, 3), (64, 64, 3))
KEPT = 1000  # values of a corrupted picture that the golden file holds


def picture(shape: tuple[int, int, int]) -> np.ndarray:
    """Return waves, noise and patches of black and white, uint8 (H, W, C)."""
    height, width, channels = shape
    random = np.random.RandomState(height + channels)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.zeros(shape)
    for _ in range(6):
        frequency, phase = random.uniform(-20, 20, (2, channels)), random.uniform(0, 7, channels)
        image += np.cos(frequency[0] * x[..., None] + frequency[1] * y[..., None] + phase)
    image = 128 + 35 * image + random.normal(size=shape, scale=6)
    image[height // 8 : height // 4, width // 3 : width // 2] = 255
    image[height // 2 : height // 2 + height // 8, width // 5 : width // 3] = 0
    return np.clip(image, 0, 255).astype(np.uint8)


def textures() -> list[np.ndarray]:
    """Return five textures of different sizes in the place of photographs, uint8 (H, W, 3)."""
    random = np.random.RandomState(7)
    sizes = ((250, 210), (205, 260), (240, 240), (200, 230), (215, 201))
    made = []
    for height, width in sizes:
        coarse = random.uniform(0, 255, (-(-height // 4), -(-width // 4), 3))
        fine = np.kron(coarse, np.ones((4, 4, 1)))[:height, :width]
        made.append(np.clip(fine + random.normal(size=fine.shape, scale=15), 0, 255))
    return [texture.astype(np.uint8) for texture in made]


def seed_of(name: str, severity: int, shape: tuple[int, int, int]) -> int:
    """Return the seed of a corrupted picture's draws."""
    return sum(map(ord, name)) * 1000 + severity * 100 + shape[0]


def places(shape: tuple[int, int, int]) -> np.ndarray:
    """Return which values of a picture the golden file holds."""
    size = int(np.prod(shape))
    return np.sort(np.random.RandomState(size).permutation(size)[:KEPT])
