"""On which examples a ticket is judged."""

import numpy as np
import pytest

from rtickets import data
from rtickets.data.settings import DataConfig
from rtickets.settings import config_files
from rtickets.tasks import Keypoints, Segmentation
from rtickets.tickets.asked import asked_again, differing


@pytest.fixture
def config(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (80, 4, 4)).astype(np.uint8)
    labels = np.arange(80) % 2
    names = np.array(["a", "b"])
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:4], "y_test": labels[:4]}
    np.savez(tmp_path / "task.npz", **arrays, class_names=names)
    return DataConfig(source="npz", path=str(tmp_path / "task.npz"))


def meta_of(config, seed):
    about = {"model": {}, "mean": [0.5], "std": [0.2], "image_shape": [4, 4, 1]}
    return {**about, "class_names": ["a", "b"], "task": config_files.to_dict(config), "seed": seed}


@pytest.mark.parametrize("part", [{"train_fraction": 0.5}, {"train_per_class": 20}])
def test_of_a_random_part_a_ticket_is_judged_on_the_one_that_its_seed_drew(config, part):
    """Of another part validation images may be those that it was trained on."""
    config = config_files.replace(config, **part)
    own, other = (data.load(config, seed) for seed in (3, 0))
    assert not np.array_equal(own.validation.images, other.validation.images)
    for asked in (None, config):
        found = asked_again(meta_of(config, 3), asked, 0).dataset
        np.testing.assert_array_equal(found.validation.images, own.validation.images)
        np.testing.assert_array_equal(found.train.images, own.train.images)


def test_other_data_and_few_examples_are_drawn_by_the_seed_that_is_given(config):
    part = config_files.replace(config, train_fraction=0.5)
    expected = data.load(part, 1).train.images
    elsewhere = DataConfig(source="npz", path=f"{config.path}.other.npz", train_fraction=0.5)
    found = asked_again(meta_of(elsewhere, 3), part, 1).dataset.train.images
    np.testing.assert_array_equal(found, expected)
    few = config_files.replace(config, train_examples=10)
    found = asked_again(meta_of(few, 3), few, 1).dataset.train.images
    np.testing.assert_array_equal(found, data.load(few, 1).train.images)


@pytest.mark.parametrize(
    ("task", "other", "of_decoder"),
    [
        (Segmentation, {"ignored": 9}, {"output_stride": 8, "channels": 32, "fine": "stage2"}),
        (Keypoints, {"sigma": 3.0}, {"channels": 32, "layers": 2}),
    ],
)
def test_settings_of_a_decoder_that_is_not_there_are_no_other_head(task, other, of_decoder):
    bare = {"decoder": "none", **other}
    assert differing(task(decoder="none"), task(**bare, **of_decoder)) == {}
    assert differing(task(), task(**other, **of_decoder)).keys() == of_decoder.keys()
    assert "decoder" in differing(task(), task(**bare))
