from typing import Literal

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError


@pytest.fixture
def archive(tmp_path):
    """Save 100 images, five classes, every one with its number in the pixels, as .npz."""

    def save(channels=1, test=False):
        labels = np.arange(100) % 5
        images = np.broadcast_to(
            np.arange(100, dtype=np.uint8)[:, None, None, None], (100, 2, 2, channels)
        )
        arrays = {"x_train": images, "y_train": labels}
        if test:
            arrays |= {"x_test": images[:10] + 100, "y_test": labels[:10]}
        np.savez(tmp_path / "set.npz", **arrays)
        return str(tmp_path / "set.npz")

    return save


def numbers(split):
    return split.images[:, 0, 0, 0].tolist()


def load(path, seed=0, **options):
    return data.load(DataConfig(source="npz", path=path, **options), seed)


def test_three_splits_are_disjoint_and_their_union_is_the_whole(archive):
    task = load(archive())
    parts = (task.train, task.validation, task.test)
    assert [len(part) for part in parts] == [70, 10, 20]
    assert sorted(number for part in parts for number in numbers(part)) == list(range(100))
    assert task.class_names == ("0", "1", "2", "3", "4")


def test_every_split_is_balanced(archive):
    task = load(archive())
    for part, count in ((task.train, 14), (task.validation, 2), (task.test, 4)):
        assert np.bincount(part.labels).tolist() == [count] * 5


def test_fractions_are_of_all_images_and_of_what_is_left(archive):
    task = load(archive(), test_fraction=0.5, validation_fraction=0.2)
    assert [len(task.train), len(task.validation), len(task.test)] == [40, 10, 50]


def test_a_test_split_of_the_source_is_kept_whole(archive):
    task = load(archive(test=True))
    assert numbers(task.test) == list(range(100, 110))
    assert sorted(numbers(task.train) + numbers(task.validation)) == list(range(100))


def test_only_the_few_shot_subset_depends_on_the_seed(archive):
    path = archive()
    a, b = (load(path, seed=seed, train_examples=20) for seed in (0, 1))
    assert numbers(a.validation) == numbers(b.validation)
    assert numbers(a.test) == numbers(b.test)
    assert numbers(a.train) != numbers(b.train)
    whole, other = (load(path, seed=seed) for seed in (0, 1))
    assert numbers(whole.train) == numbers(other.train)
    assert set(numbers(a.train)) | set(numbers(b.train)) <= set(numbers(whole.train))


def test_statistics_are_those_of_all_training_images_also_for_a_subset(archive):
    path = archive(channels=3)
    whole, few = load(path), load(path, train_examples=5)
    pixels = np.array(numbers(whole.train)) / 255
    assert whole.mean == pytest.approx([pixels.mean()] * 3, abs=1e-4)
    assert whole.std == pytest.approx([pixels.std()] * 3, abs=1e-4)
    assert (few.mean, few.std) == (whole.mean, whole.std)


def test_channels_have_statistics_of_their_own_and_no_deviation_is_zero(tmp_path):
    images = np.broadcast_to(np.array([0, 51, 255], np.uint8), (20, 2, 2, 3)).copy()
    images[::2, ..., 0] = 255
    np.savez(tmp_path / "set.npz", x_train=images, y_train=np.arange(20) // 10)
    task = load(str(tmp_path / "set.npz"), test_fraction=0.4, validation_fraction=0.5)
    assert task.mean[1:] == (0.2, 1.0)
    assert task.std[1:] == (0.001, 0.001)
    assert 0 < task.mean[0] < 1
    assert task.std[0] == pytest.approx(np.sqrt(task.mean[0] * (1 - task.mean[0])), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"test_fraction": 0.01},
            r"npz: test split \(data\.test_fraction\): 0\.01 of the 20 examples of class 0",
        ),
        (
            {"validation_fraction": 0.99},
            r"npz: validation split \(data\.validation_fraction\): 0\.99 of the 16 ex",
        ),
        ({"train_examples": 3}, "train_examples=3 .*5 classes"),
        ({"train_examples": 71}, "train_examples=71 .*15 .*class 0, .*14"),
    ],
)
def test_a_split_that_cannot_be_made_is_named(archive, options, message):
    with pytest.raises(InputError, match=message):
        load(archive(), **options)


def test_an_unknown_source_is_named():
    with pytest.raises(InputError, match=r"source='cifra'.*cifar10.*fashion_mini,"):
        data.load(DataConfig(source="cifra"))


def test_integers_of_0_and_1_are_told_as_too_dark(tmp_path):
    path = tmp_path / "set.npz"
    images = np.random.default_rng(0).integers(0, 2, (40, 6, 6, 1), dtype=np.uint8)
    labels = np.arange(40) % 2

    def told(train, test):
        np.savez(path, x_train=train, y_train=labels, x_test=test, y_test=labels)
        notes = data.load(DataConfig(source="npz", path=str(path))).notes
        return [note for note in notes if "over 1 of 255" in note]

    (line,) = told(255 * images, images)
    assert "the test images" in line
    (line,) = told(images, images)
    assert "training, validation, test" in line
    assert not told(255 * images, 2 * images)


def test_a_part_of_the_training_examples_is_all_that_is_used(archive):
    task = load(archive(test=True), train_fraction=0.5)
    assert [len(task.train), len(task.validation), len(task.test)] == [45, 5, 10]
    assert np.bincount(task.train.labels).tolist() == [9] * 5
    assert np.bincount(task.validation.labels).tolist() == [1] * 5
    assert any("50% of the training examples" in note for note in task.notes)
    other = load(archive(test=True), 1, train_fraction=0.5)
    assert set(numbers(task.train)) != set(numbers(other.train))
    assert numbers(task.test) == numbers(other.test)
    assert task.mean == load(archive(test=True), 1, train_fraction=0.9).mean


def test_a_larger_part_of_the_same_seed_contains_the_smaller(archive):
    archive = archive(test=True)
    few, more = (
        load(archive, 3, train_fraction=part, validation_fraction=0.25) for part in (0.2, 0.6)
    )
    used = [set(numbers(task.train)) | set(numbers(task.validation)) for task in (few, more)]
    assert used[0] < used[1]


def test_a_prefix_is_the_first_of_the_file_or_of_every_class(archive):
    options = {"train_choice": "prefix", "validation_fraction": 0.5}
    task = load(archive(test=True), 7, train_fraction=0.2, **options)
    assert sorted(numbers(task.train) + numbers(task.validation)) == list(range(20))
    # class c holds c, c + 5, c + 10, ...
    task = load(archive(test=True), 7, train_per_class=2, **options)
    assert sorted(numbers(task.train) + numbers(task.validation)) == list(range(10))


def test_so_many_of_every_class_are_drawn_with_the_seed(archive):
    tasks = [load(archive(test=True), seed, train_per_class=4, validation_fraction=0.25)
             for seed in (0, 0, 1)]  # fmt: skip
    for task in tasks:
        assert np.bincount(task.train.labels).tolist() == [3] * 5
        assert np.bincount(task.validation.labels).tolist() == [1] * 5
    found = [set(numbers(task.train)) for task in tasks]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train_per_class": 21}, "train_per_class=21 .*class 0, .*20"),
        ({"train_per_class": 21, "train_choice": "prefix"}, "train_per_class=21 .*class 0 .*20"),
        (
            {"train_per_class": 4},
            r"data\.validation_fraction\): 0\.1 of the 4 .*class 0",
        ),
        ({"train_fraction": 0.02, "train_choice": "prefix"}, "train_fraction=0.02.* class 2"),
        ({"train_fraction": 0.02}, r"train_fraction=0.02 \(2 examples\) .*5 classes"),
    ],
)
def test_a_class_with_too_few_examples_is_named(archive, options, named):
    with pytest.raises(InputError, match=named):
        load(archive(test=True), **options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"train_fraction": 0.1, "train_per_class": 3}, "train_fraction and train_per_class"),
        ({"train_examples": 5, "train_fraction": 0.1}, "train_examples and train_fraction"),
        ({"train_choice": "prefix"}, "train_choice='prefix'"),
        ({"train_choice": "prefix", "train_examples": 5}, "train_choice='prefix'"),
        ({"train_fraction": 0.0}, "greater than 0"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        DataConfig(source="npz", **options)


@dataclass(frozen=True)
class Depths(TaskConfig):
    """A task without classes."""

    name: Literal["depths"] = "depths"


def test_examples_without_classes_have_fractions_and_prefixes_alone(monkeypatch):
    def images(count):
        pixels = np.arange(count, dtype=np.uint8)[:, None, None, None]
        return data.Split({"image": np.broadcast_to(pixels, (count, 2, 2, 1))})

    raw = data.Raw(images(100), images(10))
    source = data.Source(lambda config, view: raw, "", "", task=Depths())
    monkeypatch.setitem(data.SOURCES, "depths", source)

    def part(**options):
        task = data.load(DataConfig(source="depths", validation_fraction=0.5, **options))
        return sorted(numbers(task.train) + numbers(task.validation))

    assert part(train_fraction=0.1, train_choice="prefix") == list(range(10))
    assert len(part(train_fraction=0.1)) == 10
    with pytest.raises(InputError, match="train_fraction"):
        part(train_per_class=3)


def test_the_whole_as_a_part_is_all_of_it_though_its_classes_are_unequal():
    whole = data.load(DataConfig(source="digits"))
    part = data.load(DataConfig(source="digits", train_fraction=1.0))
    assert len(part.train) + len(part.validation) == len(whole.train) + len(whole.validation)
