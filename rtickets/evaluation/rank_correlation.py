"""Rank correlation of a few pairs, with what it is worth."""

import math
from itertools import permutations
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata, spearmanr

_EXACT = 8  # pairs up to which all orders are gone through
_ROUNDING = 1e-12


class RankCorrelation(NamedTuple):
    """Spearman's correlation of ranks; None is what cannot be told.

    Attributes:
        rho: the correlation, equal values having their mean rank; None where one of both never
            varies.
        low: lower end of its 95% interval (Bonett & Wright 2000), of four pairs or more.
        high: upper end.
        p: probability that an order by chance is as strong a correlation in either direction.
        pairs: how many there were.
    """

    rho: float | None
    low: float | None
    high: float | None
    p: float | None
    pairs: int


def rank_correlation(x: np.ndarray, y: np.ndarray) -> RankCorrelation:
    """Return the correlation of the ranks of pairs.

    Up to eight pairs `p` is exact, from all orders of one of both; beyond, Student's approximation,
    but no less than that of the one order, and its reverse, that no other is stronger than.
    The interval is an approximation that is wide, and rough, for few pairs. Of a perfect
    correlation it begins where that of one exchange of neighbours does.

    Args:
        x: finite floats (N,).
        y: likewise.
    """
    count = len(x)
    ranks = [rankdata(each) - (count + 1) / 2 for each in (x, y)]
    sizes = [float((each**2).sum()) for each in ranks]
    if count < 3 or min(sizes) == 0:
        return RankCorrelation(None, None, None, None, count)
    scale = (sizes[0] * sizes[1]) ** 0.5
    rho = float(np.clip(ranks[0] @ ranks[1] / scale, -1, 1))
    if count <= _EXACT:
        orders = np.array(list(permutations(ranks[1])))
        strength = np.abs(orders @ ranks[0]) / scale
        p = float((strength >= abs(rho) - _ROUNDING).mean())
    else:
        p = max(float(spearmanr(x, y).pvalue), 2 / math.factorial(count))
    low, high = _interval(rho, count)
    return RankCorrelation(rho, low, high, p, count)


def _interval(rho: float, count: int) -> tuple[float | None, float | None]:
    if count < 4:
        return None, None
    nearest = 1 - 12 / (count * (count**2 - 1))  # of one exchange of neighbours
    inner = float(np.clip(rho, -nearest, nearest))
    half = float(ndtri(0.975)) * ((1 + inner**2 / 2) / (count - 3)) ** 0.5
    low, high = np.tanh(np.arctanh(inner) + half * np.array([-1, 1]))
    return (-1.0 if rho < -nearest else float(low)), (1.0 if rho > nearest else float(high))
