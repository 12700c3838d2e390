"""What a ticket remembers of what its head does."""

from typing import Literal

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets import data
from rtickets.data.arrays import Dataset, Split
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.tasks import TASKS, Classification, ImageTask
from rtickets.tickets import provenance
from rtickets.tickets.asked import aligned, asked_again
from rtickets.tickets.head import known, remembering


@dataclass(frozen=True)
class Keypoints(ImageTask):
    """As many points as the data have."""

    name: Literal["keypoints"] = "keypoints"

    def about(self, dataset):
        return {"points": dataset.train.arrays["points"].shape[1]}

    def width(self, about):
        return 2 * about["points"]


def dataset(points):
    arrays = {"image": np.zeros((4, 2, 2, 1), np.uint8), "points": np.zeros((4, points, 2))}
    split = Split(arrays)
    return Dataset(split, split, split, (), (0.5,), (0.2,))


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(TASKS, "keypoints", Keypoints)


OLD = {
    "model": {},
    "mean": [0.5],
    "std": [0.2],
    "image_shape": [2, 2, 1],
    "class_names": ["a", "b"],
}


def test_old_tickets_tell_classes_apart():
    assert known(OLD) == (Classification(), {"class_names": ["a", "b"]})
    classes = dataset(1)._replace(class_names=("b", "a", "c"))
    assert remembering(OLD, Classification(), classes) == {**OLD, "class_names": ["b", "a", "c"]}


def test_another_task_takes_the_place_of_the_one_before_and_back():
    task = Keypoints()
    meta = remembering(OLD, task, dataset(3))
    assert "class_names" not in meta
    assert known(meta) == (task, {"points": 3})
    assert known(meta)[0].width(known(meta)[1]) == 6
    assert aligned(meta, task, dataset(3)) is not None
    assert aligned(meta, task, dataset(2)) is None
    assert aligned(OLD, task, dataset(3)) is None
    assert aligned(meta, Classification(), dataset(3)) is None
    with pytest.raises(InputError, match=r"'points': 3.*'points': 2"):
        task.matched({"points": 3}, dataset(2))
    back = remembering(meta, Classification(), dataset(1)._replace(class_names=("a", "b")))
    assert back == OLD


@dataclass(frozen=True)
class Scaled(ImageTask):
    """A number in a unit of which `scale` are one; `shown` is none of the head's business."""

    name: Literal["scaled"] = "scaled"
    scale: float = 1.0
    shown: int = 3
    beside_head = frozenset({"shown"})

    def width(self, about):
        return 1


def test_a_head_is_for_the_settings_that_it_was_trained_with(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS, "scaled", Scaled)
    monkeypatch.setattr("rtickets.data.load", lambda *_: dataset(3))
    meta = remembering(OLD, Scaled(scale=2.0), dataset(3))
    for task in (Scaled(scale=2.0), Scaled(scale=2.0, shown=5)):
        assert aligned(meta, task, dataset(3)) is not None
        assert asked_again(meta, DataConfig(source="digits", task=task), 0).task == task
    assert aligned(meta, Scaled(), dataset(3)) is None
    with pytest.raises(InputError, match=r"scale=2\.0.*'digits'.*scale=1\.0.*data\.task") as error:
        asked_again(meta, DataConfig(source="digits", task=Scaled(shown=5)), 0)
    assert "shown" not in str(error.value)


def test_metric_and_smoothing_do_not_concern_the_head_of_a_classifier():
    classes = dataset(1)._replace(class_names=("a", "b"))
    asked = Classification(metric="balanced", label_smoothing=0.1)
    assert aligned(OLD, asked, classes) is not None


@pytest.mark.parametrize(
    "changes",
    [{"asks": [1]}, {"asks": {}}, {"asks": {"name": "classification"}}, {"about": None}],
)
def test_damage_is_named(changes):
    meta = {**remembering(OLD, Keypoints(), dataset(3)), **changes}
    for use in (known, provenance.check_head):
        with pytest.raises(InputError, match="provenance is damaged"):
            use(meta)


def test_a_task_that_is_not_there_is_named(monkeypatch):
    meta = remembering(OLD, Keypoints(), dataset(3))
    monkeypatch.delitem(TASKS, "keypoints")
    with pytest.raises(InputError, match=r"'keypoints'.*TASKS"):
        provenance.build_model(meta)


def test_a_task_that_is_a_kind_of_classification_is_remembered_as_itself(monkeypatch):
    @dataclass(frozen=True)
    class Ordinal(Classification):
        name: Literal["ordinal"] = "ordinal"

    monkeypatch.setitem(TASKS, "ordinal", Ordinal)
    classes = dataset(1)._replace(class_names=("low", "high"))
    meta = remembering(OLD, Ordinal(), classes)
    assert known(meta) == (Ordinal(), {"class_names": ["low", "high"]})
    assert aligned(meta, Classification(), classes) is None


def test_another_head_forgets_the_widths_of_the_one_before():
    dataset = data.load(DataConfig(source="fashion_mini"), 0)
    model = {"arch": "resnet18", "widths": ["head/dense1=4", "stem_conv=3"]}
    meta = {"model": model, "class_names": ["a"]}
    found = remembering(meta, Classification(), dataset)
    assert found["model"] == {"arch": "resnet18", "widths": ["stem_conv=3"]}
    assert model["widths"] == ["head/dense1=4", "stem_conv=3"]
