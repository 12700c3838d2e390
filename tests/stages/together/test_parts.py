"""How many are held at once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rtickets.config import (
    DataConfig,
    ModelConfig,
    PretrainConfig,
    StudyConfig,
    TransferConfig,
)
from rtickets.costs import Setting
from rtickets.data import labelled
from rtickets.settings import config_files
from rtickets.stages import cached, together
from rtickets.stages.study_costs import estimate_study
from tests.stages.together.conftest import LINEAR, ONE, TRANSFERS


@pytest.mark.parametrize(
    ("count", "most", "size"),
    [(9, 8, 5), (8, 8, 8), (3, 32, 3), (33, 32, 17), (4, 1, 1), (1, 8, 1), (10, 4, 4)],
)
def test_parts_leave_few_places_empty(count, most, size):
    assert together.equal_parts(count, most) == size


def test_examples_count_towards_what_is_held_at_once(monkeypatch):
    image = np.zeros((10, 8, 8, 1), np.uint8)
    split = labelled(image, np.zeros(10, np.int32))
    dataset = SimpleNamespace(train=split, validation=split, test=split)
    ready = SimpleNamespace(params={"head": np.zeros(5, np.float32)})
    begun = SimpleNamespace(features=100, ready=ready, run=SimpleNamespace(dataset=dataset))
    monkeypatch.setattr(TRANSFERS, "begin", lambda *_: begun)
    each = 100 + 2 * 20 + 3 * (640 + 40)
    for most, expected in ((2 * each, [2, 2, 1]), (each, [1] * 5), (5 * each, [5])):
        monkeypatch.setattr(cached, "MOST_BYTES", most)
        parts = TRANSFERS._parts([None] * 5, [Path()] * 5, ONE)
        assert [len(part) for part in parts] == expected


def test_a_dry_run_counts_the_features_that_are_held_at_once():
    heads = TransferConfig(
        data=DataConfig(source="mnist5k", crop_padding=0, train_examples=200), mode="linear",
        features="cached", train=LINEAR,
    )  # fmt: skip
    study = StudyConfig(
        pretrain=PretrainConfig(
            data=DataConfig(source="fashion_mini"), model=ModelConfig(width=0.125)
        ),
        seeds=(0, 1), transfers={"heads": heads},
    )  # fmt: skip
    for at_once, count in ((None, 24), (3, 3), (1, 1)):
        own = config_files.replace(study, together=at_once)
        (found,) = (
            each for each in estimate_study(own, Setting(study.pretrain.model))
            if each.name == "transfer, heads"
        )  # fmt: skip
        assert found.memory["features"] == count * 4 * 64 * (200 + 400)
        assert (f"{count} tickets" in " ".join(found.about)) == (count > 1)
