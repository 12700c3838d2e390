"""Calibration errors by hand, scores of known networks, and the temperature that was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.evaluation.measures.base import Asked, finite_logits
from rtickets.evaluation.measures.calibration import (
    CalibrationSettings,
    calibration_error,
    confident,
    equal_number,
    equal_width,
    reliability,
    scores,
    temperature,
)
from rtickets.evaluation.predict import Examples
from rtickets.tasks import Classification
from rtickets.tasks.accuracy import share


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
    assert CalibrationSettings().forward_passes(100, 30) == 100
    assert CalibrationSettings(temperature=True).forward_passes(100, 30) == 100 + 30


# --- ties, bins and who sees what -----------------------------------------------------------------


def test_a_constant_network_has_one_bin_and_its_distance_from_the_accuracy():
    """Which of equal confidences come first means nothing, so that they are not told apart."""
    labels = np.arange(30) % 3
    found = scores(np.zeros((30, 3)), labels)
    assert found["adaptive_ece"].value == pytest.approx(0, abs=1e-12)
    found = scores(np.tile([2.0, 0.0, 0.0], (30, 1)), labels)
    sure = np.exp(2) / (np.exp(2) + 2)
    assert found["adaptive_ece"].value == pytest.approx(sure - 1 / 3)


@given(st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.9, 1.0]), min_size=1, max_size=40))
def test_adaptive_bins_keep_ties_together_in_any_order(confidence):
    values = np.array(confidence)
    bins = equal_number(values, 7)
    for value in set(confidence):
        assert len(set(bins[values == value])) == 1
    order = np.random.default_rng(0).permutation(len(values))
    np.testing.assert_array_equal(equal_number(values[order], 7), bins[order])


@given(st.integers(1, 40), st.integers(1, 15))
def test_adaptive_bins_of_different_confidences_differ_by_one_at_most(count, bins):
    found = equal_number(np.random.default_rng(count).permutation(count) / count, bins)
    counts = np.bincount(found, minlength=bins)
    assert counts.max() - counts.min() <= 1


def naive_ece(logits, labels, bins):
    """Return the error bin by bin, in loops."""
    total, gaps = 0, [[] for _ in range(bins)]
    for row, label in zip(logits, labels, strict=True):
        p = np.exp(row - row.max())
        p /= p.sum()
        place = min(max(int(np.ceil(p.max() * bins)) - 1, 0), bins - 1)
        gaps[place].append(float(row.argmax() == label) - p.max())
        total += 1
    return sum(abs(sum(each)) for each in gaps) / total


@pytest.mark.parametrize("classes", [2, 10])
def test_the_error_is_that_of_loops_over_examples(classes):
    generator = np.random.default_rng(classes)
    logits, labels = generator.normal(0, 2, (500, classes)), generator.integers(0, classes, 500)
    assert scores(logits, labels)["ece"].value == pytest.approx(naive_ece(logits, labels, 15))


def test_likelihood_and_brier_score_of_many_classes_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(5)
    logits, labels = generator.normal(0, 3, (200, 6)), generator.integers(0, 6, 200)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    by_class = [metrics.brier_score_loss(labels == k, p[:, k]) for k in range(6)]
    assert scores(logits, labels)["brier"].value == pytest.approx(sum(by_class))


def test_rows_of_a_diagram_give_the_error_back_and_leave_out_empty_bins():
    curve = pytest.importorskip("sklearn.calibration").calibration_curve
    generator = np.random.default_rng(6)
    confidence = generator.uniform(0.5, 1, 300)
    right = generator.random(300) < confidence
    labels = np.where(right, 0, 1)
    answers = confident(logits_of(confidence), labels)
    rows = reliability(answers, equal_width(answers.confidence, 10))
    assert len(rows) == 5  # none below a half
    assert sum(row["examples"] for row in rows) == 300
    error = sum(row["examples"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / 300
    assert error == pytest.approx(scores(logits_of(confidence), labels, 10)["ece"].value)
    accuracy, mean = curve(right, answers.confidence, n_bins=10)
    assert [row["accuracy"] for row in rows] == pytest.approx(list(accuracy))
    assert [row["confidence"] for row in rows] == pytest.approx(list(mean))
    assert all(row["low"] <= row["confidence"] <= row["high"] for row in rows)


def test_the_temperature_is_the_minimum_that_scipy_finds():
    optimize = pytest.importorskip("scipy.optimize")
    generator = np.random.default_rng(7)
    logits, labels = generator.normal(0, 2, (400, 4)), generator.integers(0, 4, 400)
    labels[:250] = logits[:250].argmax(-1)
    found = optimize.minimize_scalar(
        lambda t: scores(logits / t, labels)["nll"].value, bounds=(0.05, 20), method="bounded",
        options={"xatol": 1e-8},
    )  # fmt: skip
    assert temperature(logits, labels).value == pytest.approx(found.x, rel=1e-4)


def test_the_temperature_sees_validation_examples_alone(monkeypatch):
    generator = np.random.default_rng(8)
    held_out = generator.normal(0, 2, (100, 3)), {"label": generator.integers(0, 3, 100)}
    monkeypatch.setattr(Asked, "ask", lambda self, examples: held_out)
    found, tables = [], []
    for _ in range(2):
        logits, labels = generator.normal(0, 9, (60, 3)), generator.integers(0, 3, 60)
        kept = {}
        asked = Asked(
            None, Examples(None, None, None, Classification(), None),
            lambda own=logits, labels=labels: (own, {"label": labels}),
            lambda: "validation", tabulate=kept.__setitem__,
        )  # fmt: skip
        found.append(CalibrationSettings(temperature=True).measure(asked))
        tables.append(kept)
    expected = temperature(held_out[0], held_out[1]["label"])._replace(examples=100)
    assert found[0]["temperature"] == found[1]["temperature"] == expected
    assert found[0]["ece"] != found[1]["ece"]
    assert set(tables[0]) == {"reliability", "adaptive_reliability", "scaled_reliability"}


def test_a_perfect_predictor_on_few_examples_is_not_certain():
    found = scores(np.array([[100.0, 0.0]] * 10), np.zeros(10, int))["ece"]
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.low == 0
    assert found.high == pytest.approx(share(0, 10).high)
