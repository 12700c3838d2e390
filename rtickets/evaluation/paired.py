"""Intervals of a paired comparison: two branches that share seeds and test examples.

A gain is the mean over S seeds of the difference between two branches of one seed. It is uncertain
for two reasons, and each has its interval:

- **Seeds.** Other seeds would give other networks. The S differences are independent, and their
  mean has Student's interval with S - 1 degrees of freedom, exact for normal differences however
  few there are.
- **Examples.** Other test examples would be answered otherwise. All seeds and both branches answer
  the same N, so an example's difference, averaged over the seeds, is one observation. The interval
  has the width that Agresti & Min 2005 give it, who add half an example for every one of the four
  outcomes of a pair, extended to means over seeds and to weighted examples: it is no point where
  all observations are equal. It covers 94% or more from about 100 examples on, 90% of 20. Where
  what became of every example is not known, both branches' own intervals are taken as if they had
  seen other examples: too wide where an example is hard for both.

Both together: the squares of the half-widths of the two are added (Zou & Donner 2008). What varies
from seed to seed and example to example at once is in both, so that the sum is rather too wide, and
never narrower than either.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

LEVEL = 0.95
_ROUNDING = 1e-12  # of a difference, relative to the values


class Uncertainty(NamedTuple):
    """How much a gain varies for one reason.

    Attributes:
        error: standard error of the gain.
        freedom: degrees of freedom of Student's t; infinite for a normal one.
    """

    error: float
    freedom: float

    def half_width(self, level: float) -> float:
        """Return half the width of the interval of this level around the gain."""
        tail = 0.5 + level / 2
        quantile = ndtri(tail) if math.isinf(self.freedom) else stdtrit(self.freedom, tail)
        return float(quantile) * self.error if self.error else 0.0


def over_seeds(gains: Sequence[float], size: float = 1.0) -> Uncertainty | None:
    """Return how much the mean of gains varies with the seed.

    Args:
        gains: of every seed the difference of the branches.
        size: of the values that they are differences of; those of shares are below 1.

    Returns:
        None for one seed, and where all gains are equal but for rounding: runs that the seed does
        not reach, or a coincidence, tell nothing of other seeds.
    """
    count = len(gains)
    if count < 2 or max(gains) - min(gains) <= _ROUNDING * size:
        return None
    mean = math.fsum(gains) / count
    variance = math.fsum((gain - mean) ** 2 for gain in gains) / (count - 1)
    return Uncertainty(math.sqrt(variance / count), count - 1)


def over_examples(differences: np.ndarray, weights: np.ndarray | None = None) -> Uncertainty:
    """Return how much a gain varies with the test examples.

    Args:
        differences: of every example the difference of the branches, averaged over the seeds, float
            (N,) in [-1, 1].
        weights: how much each counts, (N,); None is all alike.

    Returns:
        For N = 1 too, what is wide enough to say nothing.
    """
    each = np.asarray(differences, np.float64)
    share = np.full(len(each), 1.0) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    mean = float(share @ each)
    count = 1 / float(share @ share)  # as many alike would have this variance
    variance = count * float(share**2 @ (each - mean) ** 2)
    # Two more examples: one of +1 and one of -1 of half weight each, and one of 0.
    added = (count * (variance + mean**2) + 1) / (count + 2) - (count * mean / (count + 2)) ** 2
    return Uncertainty(math.sqrt(added / (count + 2)), count + 1)


def unpaired(half: float) -> Uncertainty | None:
    """Return how a gain varies with the examples by half the width of its own 95% interval.

    Args:
        half: of the gain, as branches on other examples have it; 0 tells nothing.
    """
    return Uncertainty(half / float(ndtri(0.5 + LEVEL / 2)), math.inf) if half > 0 else None


def half_width(reasons: Sequence[Uncertainty], level: float = LEVEL) -> float:
    """Return half the width of the interval of a gain that varies for several reasons."""
    return math.hypot(*(each.half_width(level) for each in reasons))


def p_value(gain: float, reasons: Sequence[Uncertainty]) -> float:
    """Return 1 - level of the widest interval around a gain that does not hold 0; 1 if none."""
    if half_width(reasons, 0.0) >= abs(gain):
        return 1.0
    largest = 1 - 1e-12
    if half_width(reasons, largest) <= abs(gain):
        return 1 - largest
    return 1 - float(brentq(lambda level: half_width(reasons, level) - abs(gain), 0, largest))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being several (Holm 1979), in the order given.

    Those below a limit are all right with a probability of 1 - limit, however they depend on each
    other.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * count, 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
