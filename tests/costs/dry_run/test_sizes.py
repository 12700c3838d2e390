"""Sizes of tasks: known without reading, of the size that they are evaluated at."""

import numpy as np
import pytest

from rtickets.config import (
    DataConfig,
    EvaluateConfig,
    TrainConfig,
)
from rtickets.costs import Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import cost_of, evaluated_cost_of, sizes_of
from rtickets.data import SOURCES, Raw, Source, labelled
from rtickets.errors import InputError
from rtickets.models.inputs import Input
from rtickets.settings import config_files
from rtickets.stages.evaluate import estimate_evaluation
from rtickets.tasks import Segmentation
from tests.costs.dry_run.conftest import TINY


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (DataConfig(), (10_800, 1_200, 2_000)),
        (DataConfig(source="mnist5k", train_examples=200), (200, 400, 1_000)),
        (DataConfig(source="mnist5k", train_fraction=0.1), (360, 40, 1_000)),
        (DataConfig(source="mnist5k", train_per_class=20), (180, 20, 1_000)),
        (DataConfig(source="imagenet2012", validation_fraction=0.01), (1_268_355, 12_812, 50_000)),
    ],
)
def test_a_task_s_sizes_are_known_without_reading_it(config, sizes):
    task = sizes_of(config)
    assert (task.train, task.validation, task.test) == sizes


def test_photographs_are_streamed_and_small_images_lie_in_memory():
    photos = sizes_of(DataConfig(source="food101"))
    assert (photos.shape, photos.stored) == ((224, 224, 3), 0)
    small = sizes_of(DataConfig(source="cifar10", image_size=224, validation_fraction=0.5))
    assert (small.shape, small.stored) == ((224, 224, 3), 25_000 * 32 * 32 * 3)


def test_images_on_canvases_stay_on_disk_unless_they_are_to_be_read():
    """VOC 2012 has 1,464 training images on canvases of 500 pixels; as many as are not held out."""
    task = Segmentation(output_stride=8, channels=8)
    for source in ("voc2012", "voc2012_aug"):
        data = DataConfig(source=source, image_size=100, task=task, validation_fraction=0.5)
        assert sizes_of(data).stored == 0
        read = sizes_of(config_files.replace(data, stream=False))
        assert read.stored == read.train * 500 * 500 * 3


@pytest.mark.parametrize("size", [None, 16, 128])
def test_composed_scenes_are_as_large_as_they_are_asked_for(size):
    task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation="whole")
    found = sizes_of(DataConfig(source="stamps_scenes", image_size=size, task=task))
    side = size or 64
    assert found.stored == 2400 * side * side * 3
    assert (found.shape, found.evaluated) == ((side, side, 3), None)


def test_an_unknown_set_is_read(tmp_path):
    images, labels = np.zeros((50, 6, 5, 1), np.uint8), np.arange(50) % 2
    np.savez(tmp_path / "set.npz", x_train=images, y_train=labels)
    task = sizes_of(DataConfig(source="npz", path=str(tmp_path / "set.npz")))
    assert (task.train, task.validation, task.test) == (36, 4, 10)
    assert (task.outputs, task.shape) == (2, (6, 5, 1))
    with pytest.raises(InputError, match="nowhere"):
        sizes_of(DataConfig(source="npz", path=str(tmp_path / "nowhere.npz")))


def test_a_validation_split_of_the_set_s_own_is_counted(monkeypatch):
    """As VTAB's: 800 + 200 images, nothing carved from them."""
    sizes = (800, 200, 30)
    train, validation, test = (
        labelled(np.zeros((size, 8, 8, 3), np.uint8), np.arange(size) % 4) for size in sizes
    )
    raw = Raw(train, test, tuple("abcd"), validation)
    monkeypatch.setitem(SOURCES, "own", Source(lambda config, view: raw, "", ""))
    task = sizes_of(DataConfig(source="own"))
    assert (task.train, task.validation, task.test, task.outputs) == (*sizes, 4)
    assert sizes_of(DataConfig(source="own", train_examples=80)).train == 80


def test_images_are_evaluated_at_the_size_that_the_task_says():
    """VOC is stored at 500 pixels; windows of 100 begin at 0, 67, ..., 335 and 400."""
    per_pixel = {}
    for how in ("resized", "whole", "sliding"):
        task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation=how)
        data = DataConfig(source="voc2012", image_size=100, task=task)
        sizes = sizes_of(data)
        found = evaluated_cost_of(TINY, sizes)
        assert found.weights == cost_of(TINY, sizes).weights
        per_pixel[how] = found.forward / cost_of(TINY, sizes).forward
        measured = estimate_evaluation(EvaluateConfig(batch_size=4), sizes, TINY, 1)
        assert measured.operations == pytest.approx(1449 * found.forward)
        train = TrainConfig(batch_size=4, duration="1ep", select="last", validate_every="0ep")
        plain = estimate_training("a", sizes, TINY, train, devices=1)
        train = config_files.replace(train, validate_every="1ep")
        checked = estimate_training("a", sizes, TINY, train, devices=1)
        held_out = sizes.validation * found.forward
        assert checked.operations - plain.operations == pytest.approx(held_out, rel=1e-6)
        shown = {"resized": "100x100x3", "whole": "500x500x3", "sliding": "100x100x3"}[how]
        assert shown in measured.about[0]
    assert per_pixel["resized"] == 1
    assert per_pixel["whole"] == pytest.approx(25, rel=0.1)
    assert per_pixel["sliding"] == 49


def test_windows_are_of_the_size_of_the_network_where_the_data_leave_it_open():
    task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation="sliding")
    data = DataConfig(source="voc2012", task=task)
    with pytest.raises(InputError, match=r"sliding.*image_size"):
        sizes_of(data)
    setting = Setting(TINY, None, (Input("image", (250, 250, 3)),), 1)
    found = setting.task_of(data)
    assert (found.evaluated, found.calls) == (None, 9)
    assert found.shape == (250, 250, 3)
