"""How noisy a picture is, estimated from its finest details (Donoho & Johnstone 1994)."""

import numpy as np

from rtickets.errors import InputError

_ROOT = 3**0.5
# the high-pass filter of Daubechies' wavelet with two vanishing moments: lines and slopes vanish
_HIGH = np.array([1 - _ROOT, _ROOT - 3, 3 + _ROOT, -1 - _ROOT]) / (4 * 2**0.5)
_MEDIAN = 0.6744897501960817  # of the magnitude of a standard normal number
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


def _halved(values: np.ndarray, axis: int, *, inside: bool = False) -> np.ndarray:
    """Return details of every other place along an axis, or whether all four places are inside."""
    windows = np.lib.stride_tricks.sliding_window_view(values, 4, axis)
    windows = np.moveaxis(np.moveaxis(windows, axis, 0)[::2], 0, axis)
    return windows.min(-1) if inside else windows @ _HIGH
