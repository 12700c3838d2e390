"""The Frechet distance between two sets of features."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from rtickets.errors import InputError
from rtickets.platform.short_repr import with_short_repr


@with_short_repr
class Gaussian(NamedTuple):
    """A Gaussian with the mean and covariance of some features.

    Attributes:
        mean: float64 (D,).
        factor: float64 (R, D) with `factor.T @ factor` the unbiased covariance, R at most D. A
            distance is taken from it without forming that matrix, whose small eigenvalues would be
            lost to rounding.
    """

    mean: np.ndarray
    factor: np.ndarray


def gaussian_of(features: np.ndarray) -> Gaussian:
    """Return the Gaussian of features.

    Args:
        features: finite numbers (N, D), N at least 2.

    Returns:
        Its mean and covariance.

    Raises:
        InputError: for another shape, fewer rows, or values that are not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise InputError(
            f"features have shape {features.shape}; expected (N, D) of at least 2 examples"
        )
    wide = features.astype(np.float64)
    if broken := int((~np.isfinite(wide)).sum()):
        raise InputError(
            f"{broken:,} of {wide.size:,} features are not finite; a distance between such is none"
        )
    mean = wide.mean(0)
    (factor,) = scipy.linalg.qr((wide - mean) / np.sqrt(len(wide) - 1), mode="r")
    return Gaussian(mean, factor[: wide.shape[1]])


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Return the squared Frechet distance between two Gaussians (Dowson & Landau 1982).

    It is |m - n|^2 + tr(S + T - 2 (S T)^(1/2)), which Heusel et al. 2017 take of features. The last
    trace is the sum of the singular values of the product of the factors, so that no square root
    of a matrix, near singular with few examples, is needed. It is never negative, and 0 for equal
    Gaussians up to rounding. The distance depends on the number of examples (Chong & Forsyth 2020):
    compare distances of sets of one size.

    Raises:
        InputError: if they have different numbers of features.
    """
    if a.mean.shape != b.mean.shape:
        raise InputError(
            f"features of {a.mean.size} and {b.mean.size} numbers have no distance; take both from "
            "one network"
        )
    both = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    traces = (a.factor**2).sum() + (b.factor**2).sum() - 2 * both
    return float(((a.mean - b.mean) ** 2).sum() + max(traces, 0.0))
