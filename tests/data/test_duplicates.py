"""Images of one split that are exact copies of images of another."""

import numpy as np
import pytest
from PIL import Image

from rtickets import cli, data
from rtickets.config import DataConfig
from rtickets.data.arrays import Dataset, Split, labelled
from rtickets.data.duplicates import duplicated_files, find_duplicates


def split(values, labels=None):
    """Images of 2x2 pixels of one value each."""
    images = np.broadcast_to(
        np.array(values, np.uint8)[:, None, None, None], (len(values), 2, 2, 1)
    )
    labels = np.zeros(len(values)) if labels is None else np.array(labels)
    return labelled(images, labels.astype(np.int32))


def notes(train, validation, test):
    return find_duplicates(Dataset(train, validation, test, ("a", "b"), (0.5,), (0.5,)))


def test_splits_without_copies_get_no_note():
    assert notes(split([1, 1, 2]), split([3, 3]), split([4, 5])) == ()


def test_copies_are_counted_for_every_pair_of_splits():
    assert notes(split([1, 2, 3]), split([4, 3]), split([3, 1, 1, 4, 9])) == (
        "1 of 2 validation images are exact copies of training images",
        "3 of 5 test images are exact copies of training images",
        "2 of 5 test images are exact copies of validation images",
    )


def test_copies_with_another_label_are_counted_beside():
    train = split([1, 1, 2, 3], [0, 1, 0, 1])
    assert notes(train, split([7]), split([1, 2, 3], [0, 1, 0])) == (
        "3 of 3 test images are exact copies of training images, 2 of them with another label",
    )


@pytest.fixture
def archive(tmp_path):
    """Forty training images, of which the ten test images hold two."""
    images = np.random.default_rng(0).integers(0, 256, (48, 4, 4, 1), dtype=np.uint8)
    labels = np.arange(40) % 2
    np.savez(
        tmp_path / "set.npz", x_train=images[:40], y_train=labels,
        x_test=np.concatenate([images[40:], images[:2]]), y_test=labels[:10],
    )  # fmt: skip
    return tmp_path / "set.npz"


def test_a_task_in_memory_is_looked_through_when_it_is_loaded(archive):
    config = DataConfig(source="npz", path=str(archive))
    (note,) = data.load(config).notes
    assert note.startswith(("2 of 10 test images", "1 of 10 test images"))  # the rest: validation


def test_data_info_shows_the_notes(archive, capsys):
    assert cli.main(["data", "info", "--config.source=npz", f"--config.path={archive}"]) == 0
    assert "\nnote           2 of 10 test images are exact copies" in capsys.readouterr().out


@pytest.mark.parametrize("stream", [True, False])
def test_data_info_compares_files_of_images_on_disk(tmp_path, capsys, stream):
    for number in range(24):
        for part in ("train", "test"):
            path = tmp_path / part / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            value = number if part == "train" or number < 1 else 100 + number
            Image.new("L", (3, 3), value).save(path)
    words = ["data", "info", "--config.source=folder", f"--config.path={tmp_path}"]
    assert cli.main([*words, f"--config.stream={stream}"]) == 0
    out = capsys.readouterr().out
    assert "1 of 24 test images are exact copies of training images" in out
    assert ("encoded on disk" in out) == stream


def test_copies_with_other_targets_are_counted_whatever_these_are():
    def measured(values, targets):
        arrays = {"image": split(values).images, "depth": np.array(targets, np.float32)}
        return Split({**arrays, "weight": np.ones((len(values), 2))})

    train = measured([1, 1, 2], [0.5, 0.25, 0.0])
    assert notes(train, measured([7], [0.5]), measured([1, 2, 2], [0.25, 0.0, 0.125])) == (
        "3 of 3 test images are exact copies of training images, 1 of them with another depth or "
        "weight",
    )


def test_of_files_those_alone_are_read_that_are_as_large_as_another(tmp_path):
    """One test file is a copy, one has the size of another, and one that cannot be read none."""
    contents = {
        "training": [b"one", b"three", b"x" * 50], "test": [b"one", b"seven", b"y" * 49],
    }  # fmt: skip
    splits = {}
    for name, each in contents.items():
        splits[name] = [tmp_path / f"{name}{number}" for number in range(len(each))]
        for path, content in zip(splits[name], each, strict=True):
            path.write_bytes(content)
    assert duplicated_files(splits) == ("1 of 3 test images are exact copies of training images",)
    splits["training"] = splits["training"][1:]
    assert duplicated_files(splits) == ()
