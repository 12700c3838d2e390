"""Calibration: whether a network is as often right as it says."""

from typing import Literal, NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass
from scipy.optimize import brentq
from scipy.special import log_softmax, ndtri
from scipy.stats import rankdata

from rtickets.evaluation.measures.base import Asked, MeasureConfig, finite_logits, mean_of
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured
from rtickets.tasks.accuracy import is_correct, wilson
from rtickets.tasks.units import SHARE

_TEMPERATURES = (0.01, 100.0)


@dataclass(frozen=True, config=STRICT)
class CalibrationSettings(MeasureConfig):
    """Calibration of softmax probabilities: `ece`, `adaptive_ece`, `nll` and `brier`.

    The bins are kept as the tables `reliability` and `adaptive_reliability`, which reports draw
    (DeGroot & Fienberg 1983), and `scaled_reliability` with the temperature.

    Attributes:
        bins: of the expected calibration error: of equal width in `ece` (Guo et al. 2017), with
            equal numbers of examples in `adaptive_ece` (Nguyen & O'Connor 2015), but for those of
            one confidence, which are in one bin.
        temperature: also fit the temperature of the softmax on validation examples, and measure
            all of it with that, as `scaled_ece` and so on (Guo et al. 2017).
    """

    name: Literal["calibration"] = "calibration"
    bins: Positive = 15
    temperature: bool = False
    needs_classes = needs_outputs = True

    @property
    def needs_validation(self) -> bool:  # type: ignore[override]
        """For the temperature."""
        return self.temperature

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the values; the adaptive bins need all examples at once."""
        logits, labels = finite_logits(asked.outputs), np.asarray(asked.task.labels(asked.batch))
        found = scores(logits, labels, self.bins)
        self._tabulate(asked, "", logits, labels)
        if not self.temperature:
            return found
        outputs, batch = asked.ask(asked.validation())
        labelled = np.asarray(asked.task.labels(batch))
        fitted = temperature(finite_logits(outputs), labelled)._replace(examples=len(labelled))
        scaled = scores(logits / fitted.value, labels, self.bins)
        self._tabulate(asked, "scaled_", logits / fitted.value, labels)
        return {**found, "temperature": fitted, **{f"scaled_{k}": v for k, v in scaled.items()}}

    def _tabulate(self, asked: Asked, kind: str, logits: np.ndarray, labels: np.ndarray) -> None:
        answers = confident(logits, labels)
        width = equal_width(answers.confidence, self.bins)
        asked.tabulate(f"{kind}reliability", reliability(answers, width))
        if not kind:
            number = equal_number(answers.confidence, self.bins)
            asked.tabulate("adaptive_reliability", reliability(answers, number))


class Confident(NamedTuple):
    """Answers, and how sure a network is of them.

    Attributes:
        confidence: float64 (N,), the probability of the answer.
        right: bool (N,), whether it is the label.
    """

    confidence: np.ndarray
    right: np.ndarray


def confident(logits: np.ndarray, labels: np.ndarray) -> Confident:
    """Return the answers of finite logits (N, classes) to questions of labels (N,)."""
    p = np.exp(log_softmax(np.asarray(logits, np.float64), axis=-1))
    return Confident(p.max(-1), is_correct(logits, labels))


def equal_width(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of every confidence, bins of equal width in (0, 1]; edges belong below."""
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)


def equal_number(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of every confidence, bins of equal numbers of examples.

    Equal confidences are in one bin, the lowest that any would be in: which of them come first
    means nothing.
    """
    places = rankdata(confidence, method="min").astype(int) - 1
    return np.asarray(places * bins // len(confidence))


def reliability(answers: Confident, bins: np.ndarray) -> list[dict[str, float]]:
    """Return a row a bin that has examples: from where to where their confidences go, and means.

    Args:
        answers: the answers.
        bins: integers (N,), the bin of each.

    Returns:
        `low` and `high`, the least and largest confidence, the number of `examples`, their mean
        `confidence` and their `accuracy`.
    """
    rows = []
    for each in np.unique(bins):
        own, right = (part[bins == each] for part in answers)
        ends = {"low": float(own.min()), "high": float(own.max()), "examples": len(own)}
        rows.append({**ends, "confidence": float(own.mean()), "accuracy": float(right.mean())})
    return rows


def scores(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> dict[str, Measured]:
    """Return how well softmax probabilities fit what happens.

    Args:
        logits: finite floats (N, classes).
        labels: integers (N,).
        bins: of the expected calibration errors.

    Returns:
        `ece` and `adaptive_ece`, `nll` in nats, and `brier`, the squared distance of all classes'
        probabilities from the answer, 0 to 2 (Brier 1950).
    """
    log_p = log_softmax(logits, axis=-1)
    p = np.exp(log_p)
    confidence, right = confident(logits, labels)
    answer = np.eye(p.shape[-1])[labels]
    return {
        "ece": calibration_error(confidence, right, equal_width(confidence, bins)),
        "adaptive_ece": calibration_error(confidence, right, equal_number(confidence, bins)),
        "nll": mean_of(-log_p[np.arange(len(p)), labels], "nats", False, (0, np.inf)),
        "brier": mean_of(((p - answer) ** 2).sum(-1), "", False, (0, 2)),
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: np.ndarray) -> Measured:
    """Return the mean distance of confidence and accuracy over bins, weighed by their examples.

    It is the mean over examples of right - confidence, each with the sign of its bin; the interval
    is that of this mean, and where all are equal that of a share of 0 at so many examples. With few
    examples per bin the value itself is too large, which its interval does not know: chance alone
    makes every bin differ.

    Args:
        confidence: floats (N,), the probability of the answer.
        bins: integers (N,), the bin of each.
    """
    gap = right - confidence.astype(np.float64)
    sign = np.sign(np.bincount(bins, gap))
    found = mean_of(sign[bins] * gap, SHARE, False, (0, 1))
    if found.low < found.high:
        return found
    _, more = wilson(0.0, len(gap))
    low, high = max(found.value - more, 0.0), min(found.value + more, 1.0)
    return Measured(found.value, low, high, SHARE, False)


def temperature(logits: np.ndarray, labels: np.ndarray) -> Measured:
    """Return the temperature of the softmax of least negative log-likelihood, 0.01 to 100.

    Args:
        logits: finite floats (N, classes).
        labels: integers (N,).

    Returns:
        The temperature, with the interval of an M-estimator of its inverse (Huber 1967). Where the
        likelihood has no maximum in the range it is the nearer end alone, and 1 where it does not
        change at all.
    """
    least, most = (1 / end for end in reversed(_TEMPERATURES))  # of the inverse
    logits = np.asarray(logits, np.float64)
    chosen = logits[np.arange(len(logits)), labels]

    def slopes(inverse: float) -> np.ndarray:
        """Return the derivative of the loss by the inverse, of every example; it rises with it."""
        return (np.exp(log_softmax(inverse * logits, axis=-1)) * logits).sum(-1) - chosen

    at_least, at_most = slopes(least).mean(), slopes(most).mean()
    if at_least >= 0 or at_most <= 0:
        end = 1.0 if at_least == at_most == 0 else 1 / (most if at_most <= 0 else least)
        return Measured(end, end, end, "", None)
    inverse = float(brentq(lambda x: slopes(x).mean(), least, most))
    p = np.exp(log_softmax(inverse * logits, axis=-1))
    curvature = ((p * logits**2).sum(-1) - (p * logits).sum(-1) ** 2).mean()
    error = (slopes(inverse) ** 2).mean() ** 0.5 / curvature / len(logits) ** 0.5
    half = float(ndtri(0.975)) * error
    low, high = 1 / min(inverse + half, most), 1 / max(inverse - half, least)
    return Measured(1 / inverse, low, high, "", None)
