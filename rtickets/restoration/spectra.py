"""Where the power of a picture lies: its spectrum in rings of frequencies."""

import numpy as np


def radial_spectrum(picture: np.ndarray, rings: int = 6) -> np.ndarray:
    """Return the part of the power in every ring, without that of the mean, float64 (rings,).

    Rings are equally wide up to the highest frequency of an axis, half a cycle a pixel; what lies
    above that in the corners counts to the last one.

    Args:
        picture: (H, W, C).
        rings: how many.
    """
    centred = picture - picture.mean((0, 1))
    power = (np.abs(np.fft.fft2(centred.astype(np.float64), axes=(0, 1))) ** 2).sum(-1)
    rows, columns = (np.fft.fftfreq(length) for length in picture.shape[:2])
    radius = np.hypot(rows[:, None], columns)
    ring = np.minimum((radius / 0.5 * rings).astype(int), rings - 1)
    found = np.bincount(ring.reshape(-1), power.reshape(-1), rings)
    return found / max(found.sum(), 1e-300)
