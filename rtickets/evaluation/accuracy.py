"""Accuracy with its statistical uncertainty."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest


class Accuracy(NamedTuple):
    """A share of correct answers.

    Attributes:
        correct: number of correct answers.
        examples: number of questions.
        value: correct / examples.
        low: lower end of the 95% Wilson interval.
        high: upper end.
    """

    correct: int
    examples: int
    value: float
    low: float
    high: float


def top1(logits: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return how often the largest logit is the label's.

    Args:
        logits: float (N, classes); ties go to the lower class, NaN is never correct.
        labels: integers (N,).

    Returns:
        The accuracy with a 95% Wilson score interval (Wilson 1927) over examples.
    """
    logits = np.where(np.isnan(logits).any(-1, keepdims=True), -np.inf, logits)
    finite = ~np.isneginf(logits).all(-1)
    correct = int(((logits.argmax(-1) == labels) & finite).sum())
    return share(correct, len(labels))


def share(correct: int, examples: int) -> Accuracy:
    """Return a share of correct answers with its interval.

    Args:
        correct: number of correct answers.
        examples: number of questions, at least 1.

    Returns:
        The accuracy with a 95% Wilson score interval (Wilson 1927) over examples.
    """
    interval = binomtest(correct, examples).proportion_ci(0.95, "wilson")
    return Accuracy(
        correct, examples, correct / examples, float(interval.low), float(interval.high)
    )
