import numpy as np
import pytest

from rtickets.evaluation import top1


def logits_for(predictions, classes=3):
    return np.eye(classes, dtype=np.float32)[predictions]


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
