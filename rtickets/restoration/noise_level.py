"""How noisy a picture is, estimated from its finest details (Donoho & Johnstone 1994)."""

import math

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.special import ndtr

from rtickets.errors import InputError

_ROOT = 3**0.5
# the high-pass filter of Daubechies' wavelet with two vanishing moments: lines and slopes vanish
_HIGH = np.array([1 - _ROOT, _ROOT - 3, 3 + _ROOT, -1 - _ROOT]) / (4 * 2**0.5)
_MEDIAN = 0.6744897501960817  # of the magnitude of a standard normal number
_CLOSER = 8  # rounds in which the value without noise is found from the mean of cut off ones
SMALLEST = 16
"""The least side of a picture whose noise is estimated."""


def estimate_noise(picture: np.ndarray) -> float:
    """Return the standard deviation of Gaussian noise on a picture (H, W, C), the channels' mean.

    It is the median magnitude of the diagonal details of the finest scale, in units of that of
    noise. Fine texture counts as noise; values that were cut off, as in white skies, do not.

    Raises:
        InputError: for a picture with a side below `SMALLEST`.
    """
    if min(picture.shape[:2]) < SMALLEST:
        raise InputError(
            f"noise is estimated on pictures of at least {SMALLEST} pixels a side, this one has "
            f"{picture.shape[:2]}; give the noise level"
        )
    found = []
    for channel in np.moveaxis(np.asarray(picture, np.float64), -1, 0):
        details = _halved(_halved(channel, 0), 1)
        whole = ((channel > 0) & (channel < 1)).astype(float)
        whole = _halved(_halved(whole, 0, inside=True), 1, inside=True)
        magnitudes = np.abs(details)[whole > 0]
        found.append(np.median(magnitudes) / _MEDIAN if magnitudes.size else 0.0)
    return float(np.mean(found))


def noise_variance(
    picture: np.ndarray, sigma: float, side: int = 7, seen: np.ndarray | None = None
) -> np.ndarray:
    """Return the variance that noise has where values outside [0, 1] are cut off.

    Near black and white it is less than sigma ** 2. What is cut off also moves the mean; a network
    paints the mean, and so what it leaves unexplained is the variance alone.

    Args:
        picture: noisy (H, W, C); the mean of side x side pixels tells the value without noise.
        sigma: standard deviation before values are cut off.
        side: odd.
        seen: 1 where pixels are there and 0 where they are missing (H, W, 1), None for all; the
            others alone tell values, and where none is near, that of a missing one is 0.

    Returns:
        float64 (H, W, C).
    """
    if sigma == 0:
        return np.zeros(picture.shape)
    there = np.ones((*picture.shape[:2], 1)) if seen is None else np.asarray(seen, np.float64)
    share = np.maximum(_smooth(there, side), 0.5 / side**2)  # rounding leaves more than 0 of none
    mean = _smooth(np.asarray(picture, np.float64) * there, side) / share
    x = np.clip(mean, 0, 1)
    for _ in range(_CLOSER):
        x = np.clip(mean - _cut_off(x, sigma)[0], 0, 1)
    return _cut_off(x, sigma)[1]


def _cut_off(x: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance of noise on values x that is cut off outside [0, 1]."""
    low, high = -x / sigma, (1 - x) / sigma  # between these, noise is whole
    below, above, inside = ndtr(low), ndtr(-high), ndtr(high) - ndtr(low)
    mean = low * below + high * above + _density(low) - _density(high)
    square = low**2 * below + high**2 * above
    square += inside - (high * _density(high) - low * _density(low))
    return np.asarray(sigma * mean), np.asarray(sigma**2 * (square - mean**2))


def _density(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi))


def _smooth(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the mean of side x side pixels, the border continued by its mirror image."""
    size = [min(side, length | 1) for length in picture.shape[:2]]
    return np.asarray(uniform_filter(picture, (*size, 0)))


def _halved(values: np.ndarray, axis: int, *, inside: bool = False) -> np.ndarray:
    """Return details of every other place along an axis, or whether all four places are inside."""
    windows = np.lib.stride_tricks.sliding_window_view(values, 4, axis)
    windows = np.moveaxis(np.moveaxis(windows, axis, 0)[::2], 0, axis)
    return windows.min(-1) if inside else windows @ _HIGH
