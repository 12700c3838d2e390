import numpy as np
import pytest

from rtickets.evaluation.measures.base import Asked, no_examples
from rtickets.evaluation.measures.per_class import PerClassSettings
from rtickets.evaluation.predict import Examples
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


def test_classes_have_their_names_where_the_data_set_has_some():
    labels = np.array([0, 1, 2, 3])
    about = {"class_names": ["0", "dress", "x" * 100, "a\nb"]}
    examples = Examples(None, None, None, Classification(), None)
    sums = PerClassSettings().sums(np.eye(4), {"label": labels}, examples.task)
    asked = Asked(None, examples, no_examples, no_examples, about=about, sums=sums)
    found = PerClassSettings().measure(asked)
    assert list(found)[:3] == ["worst", "class_0", "class_1 dress"]
    long, odd = list(found)[3:]
    assert long.startswith("class_2 xxx")
    assert len(long) < 60
    assert odd == r"class_3 a\nb"
    without = PerClassSettings().measure(asked._replace(about={}))
    assert list(without) == ["worst", "class_0", "class_1", "class_2", "class_3"]
