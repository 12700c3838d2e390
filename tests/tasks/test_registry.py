"""Which task the examples of a data set ask."""

from typing import Literal

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks import TASKS, Classification, ImageTask, task_of


@dataclass(frozen=True)
class Depth(ImageTask):
    """The depth of images, of which every split gets shallow and deep ones."""

    name: Literal["depth"] = "depth"
    strata: bool = True

    def split(self, arrays):
        return (arrays["depth"] > 0.5).astype(int) if self.strata else arrays["depth"]

    def width(self, about):
        return 1


def load(config, view):
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    return Raw(Split({"image": images, "depth": np.arange(40) % 4 / 3}), None)


@pytest.fixture
def depths(monkeypatch):
    monkeypatch.setitem(SOURCES, "depths", Source(load, "depths", "", task=Depth()))
    monkeypatch.setitem(TASKS, "depth", Depth)


def test_the_source_says_the_task_and_the_configuration_another(depths):
    assert task_of(DataConfig()) == Classification()
    assert task_of(DataConfig(source="oxford_flowers102")).headline.name == "balanced"
    assert task_of(DataConfig(source="depths")) == Depth()
    asked = config_files.parse(DataConfig, {"task": {"name": "depth", "strata": False}})
    assert task_of(asked) == Depth(strata=False)
    named = {"source": "oxford_flowers102", "task": {"name": "classification"}}
    assert task_of(config_files.parse(DataConfig, named)).headline.name == "accuracy"


def test_a_task_in_a_configuration_comes_back_from_json(depths):
    config = DataConfig(source="depths", task=Depth(strata=False))
    stored = config_files.to_dict(config)
    assert stored["task"] == {"name": "depth", "strata": False}
    assert config_files.parse(DataConfig, stored) == config
    assert "task" not in config_files.to_dict(DataConfig())


def test_the_task_says_how_examples_are_split(depths):
    task = data.load(DataConfig(source="depths", test_fraction=0.5, validation_fraction=0.2))
    for split in (task.train, task.validation, task.test):
        assert (split.arrays["depth"] > 0.5).mean() == 0.5
    with pytest.raises(InputError, match=r"Depth.split returns float64"):
        data.load(DataConfig(source="depths", task=Depth(strata=False)))


def test_what_cannot_be_asked_is_named(depths, monkeypatch):
    with pytest.raises(InputError, match=r"image, depth.*`label`.*data.task"):
        data.load(DataConfig(source="depths", task=Classification()))
    monkeypatch.delitem(TASKS, "depth")
    with pytest.raises(InputError, match=r"depths.*Depth.*TASKS\['depth'\] = Depth"):
        task_of(DataConfig(source="depths"))
