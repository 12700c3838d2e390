import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.fingerprint import MISSING, fingerprint
from rtickets.data.sources import registry
from rtickets.data.sources.scenes.read import (
    PHOTOGRAPHS,
    SCENE_CLASSES,
    check_pieces,
    read_scenes,
    scene_files,
)
from rtickets.errors import InputError
from rtickets.settings import config_files

COUNTS = {"train": 12, "validation": 4, "test": 6}


def splits(raw):
    return raw.train, raw.validation, raw.test


def test_splits_have_all_arrays_and_are_the_same_every_time(share, textures):
    raw, again = (read_scenes(share, textures, 16, COUNTS) for _ in range(2))
    assert raw.class_names == SCENE_CLASSES
    assert [len(split) for split in splits(raw)] == list(COUNTS.values())
    for split, same in zip(splits(raw), splits(again), strict=True):
        shapes = {name: values.shape[1:] for name, values in split.arrays.items()}
        assert shapes == {
            "image": (16, 16, 3), "label": (), "mask": (16, 16), "boxes": (3, 4), "classes": (3,),
            "keypoints": (5, 3), "area": (),
        }  # fmt: skip
        for name, values in split.arrays.items():
            np.testing.assert_array_equal(values, same.arrays[name])


def test_a_larger_set_begins_with_the_smaller_one(share, textures):
    small = read_scenes(share, textures, 16, COUNTS)
    large = read_scenes(share, textures, 16, {**COUNTS, "train": 20})
    np.testing.assert_array_equal(large.train.images[:12], small.train.images)


def test_no_photograph_is_in_two_splits(share, textures):
    raw = read_scenes(share, textures, 16, dict.fromkeys(COUNTS, 30))
    grounds = []
    for split in splits(raw):
        ground = split.images[split.arrays["mask"] == 0]
        grounds.append({tuple(colour) for colour in (ground // 4).tolist()})
    assert not grounds[0] & grounds[1]
    assert not grounds[0] & grounds[2]
    assert not grounds[1] & grounds[2]


def test_every_file_that_is_composed_counts_for_a_run(share, tmp_path):
    config = DataConfig(source="stamps_scenes", path=str(share))
    before = fingerprint(config)
    assert before != MISSING
    photograph = share / PHOTOGRAPHS[0]
    kept = photograph.read_bytes()
    try:
        photograph.write_bytes(kept + b"\0")
        assert fingerprint(config) != before
    finally:
        photograph.write_bytes(kept)
    assert fingerprint(DataConfig(source="stamps_scenes", path=str(tmp_path))) == MISSING
    assert scene_files(DataConfig(source="stamps_scenes")) is None


def test_a_missing_photograph_is_named(share, textures, tmp_path):
    (tmp_path / "tuxpaint").symlink_to(share / "tuxpaint")
    with pytest.raises(InputError, match=r"Aqua\.jpg"):
        read_scenes(tmp_path, textures, 16, COUNTS)


def test_sizes_are_known_without_reading():
    task = {"name": "segmentation"}
    config = config_files.parse(DataConfig, {"source": "stamps_scenes", "task": task})
    found = sizes_of(config)
    assert (found.train, found.validation, found.test, found.outputs) == (2400, 400, 800, 7)
    assert found.shape == (64, 64, 3)


def test_all_that_is_missing_is_said_at_once(share, textures, tmp_path):
    packages = ("tuxpaint-stamps-default", "mate-backgrounds", "/usr/share", "rtickets[scenes]")
    cases = {
        (None, None): ("data.path is not given", "scikit-image is not installed"),
        (tmp_path, textures): ("tuxpaint/stamps/animals and 5 more", "Aqua.jpg and 10 more"),
        (share, tmp_path): (f"{tmp_path}/brick.png of scikit-image",),
        (share, None): ("scikit-image is not installed",),
    }
    for pieces, missing in cases.items():
        with pytest.raises(InputError) as caught:
            check_pieces(*pieces)
        for words in (*packages, *missing):
            assert words in str(caught.value)
    check_pieces(share, textures)


def test_a_source_without_its_pieces_says_so_before_it_reads(share, tmp_path, monkeypatch):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    for path in (None, str(tmp_path), str(share)):
        with pytest.raises(InputError, match=r"scikit-image is not installed.*mate-backgrounds"):
            data.load(DataConfig(source="stamps_scenes", path=path))
