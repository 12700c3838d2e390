import numpy as np
import pytest

from rtickets.evaluation import is_correct, measure, share
from rtickets.tasks.accuracy import balanced


def logits_for(predictions, classes=3):
    return np.eye(classes, dtype=np.float32)[predictions]


def top1(logits, labels):
    return measure("accuracy", is_correct(logits, labels), labels)


def test_counts_and_wilson_interval():
    accuracy = top1(logits_for([0] * 10), np.array([0] * 8 + [1] * 2))
    assert (accuracy.correct, accuracy.examples, accuracy.value) == (8, 10, 0.8)
    # Wilson (1927) at 95% for 8 of 10.
    assert (accuracy.low, accuracy.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize(("correct", "value"), [(0, 0.0), (10, 1.0)])
def test_the_interval_never_collapses(correct, value):
    labels = np.array([0] * correct + [1] * (10 - correct))
    accuracy = top1(logits_for([0] * 10), labels)
    assert accuracy.value == value
    assert accuracy.high - accuracy.low > 0.2
    assert 0 <= accuracy.low <= value <= accuracy.high <= 1


def test_nan_is_never_correct():
    logits = logits_for([0, 0])
    logits[0] = np.nan
    assert top1(logits, np.array([0, 0])).correct == 1


def test_ties_go_to_the_lower_class():
    assert top1(np.zeros((2, 3)), np.array([0, 1])).correct == 1


def test_the_interval_is_scipy_s():
    from scipy.stats import binomtest

    for correct, examples in [(0, 7), (7, 7), (3, 7), (500, 1000), (1, 1)]:
        expected = binomtest(correct, examples).proportion_ci(0.95, "wilson")
        found = share(correct, examples)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_balanced_accuracy_weighs_classes_alike():
    labels = np.array([0] * 8 + [1] * 2)
    correct = np.array([True] * 8 + [False, True])
    found = balanced(correct, labels)
    assert found.value == (1 + 0.5) / 2
    assert (found.correct, found.examples) == (9, 10)
    weights = 10 / (2 * np.array([8, 2]))[labels]  # N / (C n_c), as the paper's code weighs
    assert found.value == pytest.approx((weights * correct).mean())
    assert found.low < found.value < found.high


def test_balanced_accuracy_of_a_balanced_set_is_accuracy():
    labels = np.arange(60) % 4
    correct = np.arange(60) % 7 < 4
    assert measure("balanced", correct, labels) == pytest.approx(
        measure("accuracy", correct, labels)
    )


def test_a_rare_class_widens_the_interval_and_an_absent_one_does_not_count():
    even = balanced(np.arange(40) % 3 > 0, np.arange(40) % 2)
    rare = balanced(np.arange(40) % 3 > 0, (np.arange(40) < 2).astype(int) * 5)
    assert rare.high - rare.low > 1.5 * (even.high - even.low)


def test_the_balanced_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    truth, counts = np.array([0.9, 0.6, 0.75]), np.array([40, 10, 100])
    labels = np.repeat(np.arange(3), counts)
    trials = [balanced(generator.random(150) < truth[labels], labels) for _ in range(1000)]
    covered = np.mean([one.low <= truth.mean() <= one.high for one in trials])
    assert 0.94 < covered < 0.985
