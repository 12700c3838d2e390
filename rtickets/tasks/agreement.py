"""How far answers agree with what is right, of all examples together.

Of classes, by a table of counts whose rows are the right classes and whose columns the answers, of
which there may be more. Intervals are the delta method's: a number of such a table is a function of
the shares p of its cells, whose covariances are those of a multinomial distribution, so that its
variance is (sum of p g^2 - (sum of p g)^2) / n of the gradient g. Of numbers, by correlations, with
Fisher's interval. Answers that all agree say nothing of how others differ: without an error the
interval is that of as many examples, see `within`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from rtickets.tasks.accuracy import within
from rtickets.tasks.base import Measured

_STEP = 1e-5  # of shares, for gradients by differences
_SPEARMAN = 1.06  # the variance of a rank correlation's transform, in that of Pearson's


def f1_of(table: Any) -> Measured:
    """Return F1 of the last of two classes, or the mean over more.

    A class that is neither there nor answered does not count.
    """
    return within(*_estimated(_f1, table))


def matthews_of(table: Any) -> Measured:
    """Return Matthews' correlation (Gorodkin 2004 for several classes), 0 where one is constant."""
    value, error, examples = _estimated(_matthews, table)
    half = float(ndtri(0.975)) * (error or examples**-0.5)  # as of classes that are independent
    value = min(max(value, -1.0), 1.0)  # rounding may lead out
    return Measured(value, max(value - half, -1.0), min(value + half, 1.0))


def _f1(shares: np.ndarray) -> float:
    right = shares.diagonal()
    there, answered = shares.sum(1), shares.sum(0)[: len(right)]
    both = there + answered
    each = 2 * right / np.where(both > 0, both, 1)
    return float(each[-1]) if len(right) == 2 else float(each[both > 0].mean())


def _matthews(shares: np.ndarray) -> float:
    there = np.pad(shares.sum(1), (0, shares.shape[1] - len(shares)))
    answered, total = shares.sum(0), shares.sum()
    above = shares.trace() * total - there @ answered
    below = (total**2 - there @ there) * (total**2 - answered @ answered)
    return float(above / below**0.5) if below > 1e-15 else 0.0


def _estimated(function: Callable[[np.ndarray], float], table: Any) -> tuple[float, float, float]:
    """Return a number of a table, its standard error, and the number of examples."""
    counts = np.asarray(table, np.float64)
    total = counts.sum()
    shares = counts / total
    value, slopes, weights = function(shares), [], []
    for cell in np.argwhere(counts):
        moved = shares.copy()
        moved[tuple(cell)] += _STEP
        slopes.append((function(moved) - value) / _STEP)
        weights.append(shares[tuple(cell)])
    slope, weight = np.array(slopes), np.array(weights)
    variance = max(float(weight @ slope**2 - (weight @ slope) ** 2), 0.0) / total
    return value, variance**0.5, float(total)


def pearson_of(answers: np.ndarray, values: np.ndarray) -> Measured:
    """Return Pearson's correlation, 0 where one of them is constant."""
    return _correlation(answers, values, 1.0)


def spearman_of(answers: np.ndarray, values: np.ndarray) -> Measured:
    """Return Spearman's rank correlation, likewise."""
    return _correlation(rankdata(answers), rankdata(values), _SPEARMAN)


def _correlation(one: np.ndarray, other: np.ndarray, variance: float) -> Measured:
    one, other = (np.asarray(each, np.float64) for each in (one, other))
    one, other = one - one.mean(), other - other.mean()
    below = float((one @ one) * (other @ other)) ** 0.5
    value = float(np.clip(one @ other / below, -1, 1)) if below > 0 else 0.0
    if len(one) <= 3 or not np.isfinite(value):
        return Measured(value, -1.0, 1.0)
    middle = np.arctanh(np.clip(value, -1 + 1e-15, 1 - 1e-15))
    half = float(ndtri(0.975)) * (variance / (len(one) - 3)) ** 0.5
    low, high = (float(np.tanh(each)) for each in (middle - half, middle + half))
    return Measured(value, min(low, value), max(high, value))
