import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.data.arrays import Dataset, labelled
from rtickets.errors import InputError
from rtickets.tasks import Classification
from rtickets.tasks.class_order import in_order_of, matched

NAMES = ("ant", "bee", "cat", "dog")


def task_of(names):
    labels = np.arange(12, dtype=np.int32) % len(names)
    split = labelled(np.zeros((12, 8, 8, 1), np.uint8), labels)
    return Dataset(split, split, split, tuple(names), (0.5,), (0.2,))


def judge(own):
    Classification().width({"class_names": own})
    return matched(own, task_of(NAMES))


def named(task):
    """The names of the classes of all examples, whatever their labels."""
    return [[task.class_names[label] for label in split.labels] for split in task[:3]]


@given(st.permutations(NAMES), st.permutations(NAMES))
def test_every_example_keeps_its_class_and_gets_the_ticket_s_label(own, theirs):
    task = task_of(theirs)
    for found in (
        matched(own, task),
        in_order_of(own, task),
    ):
        assert list(found.class_names) == list(own)
        assert named(found) == named(task)
        assert all(split.labels.dtype == np.int32 for split in found[:3])
    assert bool(matched(own, task).notes) == (own != theirs)


def test_classes_without_names_are_taken_in_order_for_judging_but_not_for_training():
    own = [f"class_{index}" for index in range(4)]
    task = task_of(NAMES)
    found = matched(own, task)
    assert named(found) == named(task)
    assert "no names" in found.notes[0]
    assert in_order_of(own, task) is None


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (["ant", "bee", "cat"], "tells 3 classes apart"),
        (["ant", "bee", "cat", "cow"], "transfer it to the task first"),
        (["class_0", "class_1", "class_2"], "tells 3 classes apart"),
        (["class_1", "class_0", "class_2", "class_3"], "tells 4 classes apart"),
        (["ant", "ant", "cat", "dog"], "tells 4 classes apart"),
        ([], "a backbone without a head"),
    ],
)
def test_other_classes_are_refused(own, message):
    with pytest.raises(InputError, match=message):
        judge(own)
    assert in_order_of(own, task_of(NAMES)) is None
