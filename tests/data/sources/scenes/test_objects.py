"""Objects cut out of scenes."""

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.arrays import Split
from rtickets.data.sources import registry
from rtickets.data.sources.scenes import read
from rtickets.data.sources.scenes.objects import SCALE, read_objects, windows
from rtickets.errors import InputError

COUNTS = {"train": 12, "validation": 4, "test": 6}
SIZE = 8


@pytest.fixture
def few(monkeypatch):
    """Make sets of few scenes."""
    monkeypatch.setattr(read, "SCENES", COUNTS)
    read.scenes_once.cache_clear()
    yield
    read.scenes_once.cache_clear()


def test_windows_are_of_the_scenes_of_the_other_source_in_the_same_splits(share, textures, few):
    scenes = read.read_scenes(share, textures, SCALE * SIZE)
    found = read_objects(share, textures, SIZE)
    assert found.class_names == scenes.class_names
    for of, split in (
        (scenes.train, found.train), (scenes.validation, found.validation),
        (scenes.test, found.test),
    ):  # fmt: skip
        np.testing.assert_array_equal(split.labels, of.labels)
        assert split.images.shape == (len(of), SIZE, SIZE, 3)
        assert split.images.dtype == np.uint8


def scene(top, left, bottom, right, size=32):
    """Return a scene of one white object on grey, as tall and wide as its box."""
    image = np.full((1, size, size, 3), 100, np.uint8)
    image[0, max(top, 0) : bottom, max(left, 0) : right] = 255
    corners = [(0, 0), (top, left), (top, right), (bottom, left), (bottom, right)]
    points = np.concatenate([np.array(corners, np.float32), np.full((5, 1), 2.0)], 1)
    arrays = {"image": image, "label": np.array([4], np.int32), "keypoints": points[None]}
    return Split(arrays)


def test_an_object_is_in_the_middle_with_an_eighth_of_it_on_every_side():
    # A box of 16 in a window of 20: two pixels of ground on every side, no scaling at all.
    split = windows(scene(8, 8, 24, 24), 20)
    expected = np.full((20, 20, 3), 100, np.uint8)
    expected[2:18, 2:18] = 255
    np.testing.assert_array_equal(split.images[0], expected)
    assert split.labels.tolist() == [4]


def test_the_long_side_decides_and_shapes_are_not_stretched():
    seen = windows(scene(8, 14, 24, 18), 20).images[0] == 255
    assert seen.any((1, 2)).sum() == 16
    assert seen.any((0, 2)).sum() == 4


def test_what_lies_outside_of_the_scene_is_black():
    image = windows(scene(0, 8, 16, 24), 20).images[0]
    assert (image[:2] == 0).all()
    assert (image[2:, :2] == 100).all()


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (31, 31, 32, 32), (0, 0, 32, 32)])
def test_objects_of_any_size_have_a_window(box):
    assert windows(scene(*box), 5).images.shape == (1, 5, 5, 3)


def test_it_is_a_source_like_others(share, textures, few, monkeypatch):
    monkeypatch.setattr(registry, "_in_package", lambda *names: textures)
    config = DataConfig(source="stamps_objects", path=str(share), image_size=SIZE)
    loaded, sizes = data.load(config), sizes_of(config)
    assert loaded.train.images.shape == (COUNTS["train"], *sizes.shape)
    assert sizes.outputs == 6
    assert (sizes.train, sizes.validation, sizes.test) == (2400, 400, 800)
    with pytest.raises(InputError, match=r"stamps_objects: image_size=\(8, 9\).*squares"):
        data.load(DataConfig(source="stamps_objects", path=str(share), image_size=(8, 9)))


def test_scenes_of_both_sources_are_composed_once(share, textures, few, monkeypatch):
    composed = []
    compose = read.compose
    monkeypatch.setattr(read, "compose", lambda *args: composed.append(1) or compose(*args))
    for _ in range(2):
        read_objects(share, textures, SIZE)
        read.scenes_once(share, textures, SIZE)
    assert len(composed) == 2 * sum(COUNTS.values())
