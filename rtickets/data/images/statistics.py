"""Pixel statistics of a set."""

import numpy as np


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of every channel of uint8 (N, H, W, C) in [0, 1].

    To four digits, from exact sums of integers, some images at a time: floats of a whole set would
    take 8 times its memory.
    """
    total, squares = 0, 0
    for part in np.array_split(images, -(-len(images) // 1000)):
        pixels = part.reshape(-1, images.shape[-1]).astype(np.int64)
        total, squares = total + pixels.sum(0), squares + (pixels**2).sum(0)
    count = images.size // images.shape[-1]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    rounded = np.round(mean / 255, 4), np.round(np.maximum(std / 255, 1e-3), 4)
    return tuple(rounded[0].tolist()), tuple(rounded[1].tolist())
