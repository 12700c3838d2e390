import numpy as np
import pytest

from rtickets.evaluation.measures.per_class import PerClassSettings
from rtickets.tasks import Classification
from rtickets.tasks.accuracy import share


def test_classes_by_hand():
    """Class 3 has no examples, and an answer that is no number is wrong."""
    labels = np.array([0, 0, 0, 1, 2, 2])
    answers = np.array([0, 0, 1, 1, 0, 2])
    logits = np.eye(4)[answers]
    logits[5] = np.nan
    measure, task = PerClassSettings(), Classification()
    found = measure.values(measure.sums(logits, {"label": labels}, task), task)
    values = {name: each.value for name, each in found.items()}
    assert values == pytest.approx({"worst": 0, "class_0": 2 / 3, "class_1": 1, "class_2": 0})
    expected = share(2, 3)
    assert found["class_0"][1:3] == (expected.low, expected.high)
    assert [each.detail for each in found.values()] == [False, True, True, True]
    assert all(each.unit == "share" for each in found.values())
