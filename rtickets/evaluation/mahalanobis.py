"""Distances of features from those of known classes (Lee et al. 2018).

Every class has a mean, all share one covariance. It is estimated with shrinkage towards a multiple
of the identity (Ledoit & Wolf 2004), so that it can be inverted with fewer examples than features,
and with features that never change.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from rtickets.errors import InputError
from rtickets.platform.short_repr import with_short_repr

_LEAST = 1e-6  # of shrinkage: what float64 can still invert


@with_short_repr
class ClassGaussians(NamedTuple):
    """Gaussians with the means of some classes and one covariance.

    Attributes:
        means: float64 (classes, D).
        factor: lower triangular float64 (D, D), `factor @ factor.T` the covariance.
        shrinkage: part of the covariance that is a multiple of the identity, in [0, 1].
    """

    means: np.ndarray
    factor: np.ndarray
    shrinkage: float


def class_gaussians(features: np.ndarray, labels: np.ndarray) -> ClassGaussians:
    """Return the Gaussians of features.

    Args:
        features: finite numbers (N, D).
        labels: integers (N,); classes without examples have no mean.

    Returns:
        The means, and the covariance around them. Where no feature varies within any class it is
        the identity.

    Raises:
        InputError: for no examples, or values that are not finite.
    """
    wide = _checked(features)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), wide.shape[1]))
    np.add.at(means, classes, wide)
    means /= counts[:, None]
    around = wide - means[classes]
    covariance = around.T @ around / len(wide)
    size = covariance.trace() / len(covariance)  # mean variance of a feature
    if not size > 0:
        return ClassGaussians(means, np.eye(len(covariance)), 1.0)
    amount = max(_shrinkage(around, covariance, size), _LEAST)
    mixed = (1 - amount) * covariance + amount * size * np.eye(len(covariance))
    return ClassGaussians(means, np.linalg.cholesky(mixed), amount)


def _shrinkage(around: np.ndarray, covariance: np.ndarray, size: float) -> float:
    """Return how much to shrink: error of the covariance over its distance from the identity's."""
    count = len(around)
    squared = float((covariance**2).sum())
    error = (float(((around**2).sum(1) ** 2).sum()) / count - squared) / count
    distance = squared - len(covariance) * size**2
    return min(max(error, 0.0) / distance, 1.0) if distance > 0 else 1.0


def squared_distances(known: ClassGaussians, features: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distance from the nearest class, float64 (N,).

    Args:
        known: the classes.
        features: finite numbers (N, D).

    Raises:
        InputError: for values that are not finite, or another number of features.
    """
    wide = _checked(features)
    if wide.shape[1] != known.means.shape[1]:
        raise InputError(
            f"features of {wide.shape[1]} numbers have no distance from classes of "
            f"{known.means.shape[1]}; take both from one network"
        )
    solve = scipy.linalg.solve_triangular
    white, means = (solve(known.factor, each.T, lower=True).T for each in (wide, known.means))
    found = np.full(len(white), np.inf)
    for mean in means:  # differences first: a square less another would lose small distances
        np.minimum(found, ((white - mean) ** 2).sum(1), out=found)
    return found


def _checked(features: np.ndarray) -> np.ndarray:
    if features.ndim != 2 or not features.size:
        raise InputError(f"features have shape {features.shape}; expected (N, D) of at least one")
    wide = features.astype(np.float64)
    if broken := int((~np.isfinite(wide)).sum()):
        raise InputError(
            f"{broken:,} of {wide.size:,} features are not finite; the network's weights or "
            "statistics are broken"
        )
    return wide
