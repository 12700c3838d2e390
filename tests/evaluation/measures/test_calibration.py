"""Calibration errors by hand, scores of known networks, and the temperature that was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.evaluation.measures.base import finite_logits
from rtickets.evaluation.measures.calibration import (
    CalibrationSettings,
    calibration_error,
    scores,
    temperature,
)


def logits_of(confidences, classes=2):
    """Return logits of class 0 with these probabilities, the rest spread evenly."""
    p = np.asarray(confidences, float)
    others = np.tile(((1 - p) / (classes - 1))[:, None], (1, classes - 1))
    return np.log(np.concatenate([p[:, None], others], 1))


def test_the_error_of_five_examples_by_hand():
    """Bins of a fifth: 0.55 and 0.58 in one, 0.65 and 0.7 in the next, 0.95 alone in the last."""
    confidence = np.array([0.55, 0.58, 0.65, 0.7, 0.95])
    right = np.array([True, False, True, True, True])
    found = scores(logits_of(confidence), np.where(right, 0, 1), 5)["ece"]
    expected = (abs(1 - 0.55 - 0.58) + (2 - 0.65 - 0.7) + (1 - 0.95)) / 5
    assert found.value == pytest.approx(expected)
    assert (found.unit, found.higher_is_better) == ("share", False)


def test_an_edge_belongs_to_the_bin_below_it():
    """At 0.75 with four bins (0.5, 0.75] holds both examples, whose gaps cancel in part."""
    found = scores(logits_of([0.75, 0.75 - 1e-9]), np.array([0, 1]), 4)["ece"]
    assert found.value == pytest.approx(abs(0.25 - 0.75) / 2, abs=1e-6)


def test_adaptive_bins_hold_equal_numbers():
    confidence = np.array([0.91, 0.92, 0.93, 0.94, 0.95, 0.96])
    labels = np.array([0, 1, 0, 0, 0, 1])
    found = scores(logits_of(confidence), labels, 3)
    gaps = (labels == 0) - confidence
    assert found["ece"].value == pytest.approx(abs(gaps.sum()) / 6)
    by_pair = abs(gaps.reshape(3, 2).sum(1)).sum() / 6
    assert found["adaptive_ece"].value == pytest.approx(by_pair)


@given(st.floats(0.5, 0.99), st.integers(1, 30))
def test_one_confidence_has_the_distance_of_it_and_the_accuracy(confidence, bins):
    labels = np.array([0, 0, 0, 1, 1])
    found = scores(logits_of([confidence] * 5), labels, bins)
    assert found["ece"].value == pytest.approx(abs(0.6 - confidence), abs=1e-9)


def test_likelihood_and_brier_score_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    logits, labels = generator.normal(0, 3, (300, 5)), generator.integers(0, 5, 300)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = scores(logits, labels)
    expected = metrics.log_loss(labels, p, labels=range(5))
    assert found["nll"].value == pytest.approx(expected)
    two = scores(logits[:, :2], labels % 2)["brier"].value
    q = p[:, 1] / (p[:, 0] + p[:, 1])
    assert two == pytest.approx(2 * metrics.brier_score_loss(labels % 2, q))


def test_closed_forms_of_perfect_and_of_indifferent_networks():
    labels = np.arange(12) % 4
    perfect, even = scores(1e3 * np.eye(4)[labels], labels), scores(np.zeros((12, 4)), labels)
    assert [each.value for each in perfect.values()] == pytest.approx([0, 0, 0, 0], abs=1e-12)
    values = [even[name].value for name in ("ece", "nll", "brier")]
    assert values == pytest.approx([0, np.log(4), 0.75**2 + 3 / 16], abs=1e-12)


def test_the_interval_covers_the_error_of_a_network_that_is_always_too_sure():
    """Says 0.9 and is right in 0.7: the error is 0.2, and one bin holds all."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        right = generator.random(200) < 0.7
        found = calibration_error(np.full(200, 0.9), right, np.zeros(200, int))
        covered += found.low <= 0.2 <= found.high
    assert 0.92 < covered / 400 < 0.98


def test_the_temperature_that_was_put_in_is_found():
    generator = np.random.default_rng(3)
    logits = generator.normal(0, 2, (4000, 6))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = (p.cumsum(-1) < generator.random((4000, 1))).sum(-1)
    found = temperature(2.5 * logits, labels)
    assert found.low < 2.5 < found.high
    assert found.high - found.low < 0.3
    assert found.higher_is_better is None
    before, after = (scores(2.5 * logits / t, labels)["nll"].value for t in (1, found.value))
    assert after < before
    assert scores(2.5 * logits / found.value, labels)["ece"].value < 0.02


def test_a_likelihood_without_a_maximum_stops_at_the_end_of_the_range():
    labels = np.arange(8) % 2
    assert temperature(np.eye(2)[labels], labels)[:3] == (0.01, 0.01, 0.01)
    assert temperature(np.eye(2)[1 - labels], labels)[:3] == (100, 100, 100)
    assert temperature(np.zeros((8, 2)), labels)[:3] == (1, 1, 1)


def test_logits_without_probabilities_are_refused_and_counted():
    logits = np.zeros((5, 3))
    logits[1, 2], logits[4, 0] = np.inf, np.nan
    with pytest.raises(InputError, match="2 of 5"):
        finite_logits(logits)


def test_the_temperature_takes_a_pass_over_the_validation_examples():
    assert CalibrationSettings().forward_passes(100, 30) == 0
    assert CalibrationSettings(temperature=True).forward_passes(100, 30) == 30
