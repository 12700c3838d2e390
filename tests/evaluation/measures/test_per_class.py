import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.evaluation.measures.asking import check_measures
from rtickets.evaluation.measures.base import Asked, no_examples
from rtickets.evaluation.measures.per_class import PerClassSettings
from rtickets.evaluation.predict import Examples
from rtickets.tasks import Classification, Detection, ImageTask, Segmentation
from rtickets.tasks.accuracy import share
from rtickets.tasks.base import LISTED


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


def test_of_regions_it_is_their_iou_with_the_ground_as_class_0():
    task = Segmentation()
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, :, :2], masks[1, 0] = 1, 255
    answers = masks.copy()
    answers[0, :2, :2], answers[1, 1, 0] = 0, 2  # half of class 1 is missed, class 2 is not there
    outputs = np.eye(4)[np.where(answers == 255, 0, answers)]
    measure = PerClassSettings()
    examples = Examples(None, None, None, task, None)
    sums = measure.sums(outputs, {"mask": masks}, task)
    about = {"class_names": ["dog", "cat", "cow"]}
    asked = Asked(None, examples, no_examples, no_examples, about=about, sums=sums)
    found = measure.measure(asked)
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        {"worst": 0, "class_0 ground": 19 / 24, "class_1 dog": 0.5, "class_2 cat": 0}
    )
    assert [each.detail for each in found.values()] == [False, True, True, True]
    assert all(each.low <= each.value <= each.high for each in found.values())


def test_of_boxes_it_is_their_ap():
    """Both dogs are found, one cow of two at an IoU of 0.8 (seven thresholds), and no cat is."""
    pytest.importorskip("pycocotools")
    box = np.tile(np.float32([0, 0, 10, 10]), (3, 2, 1))
    classes = np.array([[0, -1], [0, 2], [2, 1]])
    found, named = box.copy(), np.array([[0, -1], [0, 2], [-1, -1]])
    found[1, 1, 2] = 8
    listed = {
        "boxes": box, "classes": classes, "crowd": np.zeros((3, 2), bool), "found": found,
        "scores": np.ones((3, 2), np.float32), "named": named,
    }  # fmt: skip
    task = Detection()
    about = {"class_names": ["dog", "cat", "cow", "pig"]}
    examples = Examples(None, None, None, task, None)
    asked = Asked(None, examples, no_examples, no_examples, about=about, sums={LISTED: listed})
    found = PerClassSettings().measure(asked)
    # precision is 1 up to a recall of 0.5, that is at 51 of 101 levels
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        {"worst": 0, "class_0 dog": 1, "class_1 cat": 0, "class_2 cow": 0.7 * 51 / 101}
    )
    assert [each.detail for each in found.values()] == [False, True, True, True]
    assert all(each.low < each.high for each in found.values())


def test_it_is_refused_where_nothing_has_a_class():
    examples = Examples(None, None, None, ImageTask(), None)
    with pytest.raises(InputError, match=r"measures\.mine.*'per_class'.*ImageTask"):
        check_measures({"mine": PerClassSettings()}, examples)
