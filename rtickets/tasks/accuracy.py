"""Accuracy with its statistical uncertainty.

Logits are float (N, classes), labels integers (N,). Every `Accuracy` has a 95% Wilson score
interval (Wilson 1927) over examples.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from rtickets.data.arrays import Metric
from rtickets.tasks.base import Measured
from rtickets.tasks.units import SHARE

_NO_ERROR = 1e-9  # a standard error up to this is that of rounding


class Accuracy(NamedTuple):
    """A share of correct answers.

    Attributes:
        correct: number of correct answers; of a random network, its mean over draws.
        examples: number of questions.
        value: correct / examples, or the mean of this over the classes.
        low: lower end of the 95% Wilson interval.
        high: upper end.
    """

    correct: int | float
    examples: int
    value: float
    low: float
    high: float

    def measured(self, **about: Any) -> Measured:
        """Return it as a measure; `about` has what else that says, such as a direction."""
        return Measured(self.value, self.low, self.high, SHARE, **about)


def is_correct(logits: Any, labels: Any) -> Any:
    """Return whether the largest logit, of NumPy or JAX, is the label's, bool (N,).

    Ties go to the lower class. NaN is never correct, nor is an answer without a finite logit.
    """
    xp = jnp if isinstance(logits, jax.Array) else np
    nothing = xp.isnan(logits).any(-1) | xp.isneginf(logits).all(-1)
    return (logits.argmax(-1) == labels) & ~nothing


def measure(metric: Metric, correct: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return an accuracy by the metric of a data set, see `balanced`.

    Args:
        correct: bool (N,), or of a random network the share of draws in which it is right, float
            (N,). Shares vary less than answers of the same mean, draws included, so that the
            interval over examples is then wider than it has to be, and never too narrow.
    """
    if metric == "balanced":
        return balanced(correct, labels)
    return share(_count(correct), len(labels))


def _count(correct: np.ndarray) -> int | float:
    return int(correct.sum()) if correct.dtype == bool else float(correct.sum())


def balanced(correct: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return the mean over classes of the accuracy on each, whatever their sizes.

    The interval is Wilson's for as many examples as a balanced set with this variance would have,
    C^2 / sum(1 / n_c) for C classes of n_c examples; with equal n_c it is that of `share`. Classes
    without examples do not count.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    found = balanced_of(np.bincount(classes, correct), counts)
    return found._replace(correct=_count(correct))


def balanced_of(correct: np.ndarray, examples: np.ndarray) -> Accuracy:
    """Return what `balanced` does of numbers of correct answers and of examples by class, (C,)."""
    correct, examples = correct[examples > 0], examples[examples > 0]
    value = float((correct / examples).mean())
    total, count = correct.sum().item(), int(examples.sum())
    return Accuracy(total, count, value, *wilson(value, of_all_classes(examples)))


def share(correct: int | float, examples: int) -> Accuracy:
    """Return a share of at least one question; `correct` may be a mean over draws."""
    value = correct / examples
    return Accuracy(correct, examples, value, *wilson(value, examples))


def wilson(value: float, examples: float) -> tuple[float, float]:
    """Return the ends of the 95% score interval of a share of so many examples (Wilson 1927)."""
    z = float(ndtri(0.975))
    middle = value + z**2 / (2 * examples)
    half = z * (value * (1 - value) / examples + (z / (2 * examples)) ** 2) ** 0.5
    scale = 1 + z**2 / examples
    low, high = (middle - half) / scale, (middle + half) / scale
    # At 0 and 1 the end is exact, which rounding of the formula would miss.
    return (0.0 if value == 0 else low, 1.0 if value == 1 else high)


def within(value: float, error: float, examples: float, **about: Any) -> Measured:
    """Return a share with the normal interval of its standard error, cut off at 0 and 1.

    Examples that agree say nothing of how others differ: without an error the interval is Wilson's
    of so many examples, so that a share of 0 or 1 of a few is not taken for certain.

    Args:
        value: the share.
        error: its standard error over examples; NaN of one alone, of which nothing is known.
        examples: how many it is of, or as many as would know as much.
        about: what else a measure says, such as a direction.
    """
    value, error = float(value), float(error)
    if np.isnan(error):
        low, high = 0.0, 1.0
    elif error <= _NO_ERROR:
        low, high = wilson(value, examples)
    else:
        half = float(ndtri(0.975)) * error
        low, high = max(0.0, value - half), min(1.0, value + half)
    return Measured(value, low, high, SHARE, **about)


def of_all_classes(examples: np.ndarray) -> float:
    """Return how many examples a mean over classes of so many examples each is worth, (C,)."""
    return float(len(examples) ** 2 / (1 / examples).sum())
