"""Sets of TensorFlow Datasets: written here as it writes them, read without TensorFlow."""

import io
import json
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtickets import cli, data
from rtickets.cli import overrides
from rtickets.config import DataConfig, ModelConfig, TransferConfig
from rtickets.costs import Setting
from rtickets.costs.network_costs import network_cost
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.streamed import StreamedImages
from rtickets.data.prepare.tfds import prepare_tfds
from rtickets.data.sources.tfds import open_builder
from rtickets.data.sources.vtab import TASKS, _clevr_distance, _feature, _kitti_distance
from rtickets.errors import InputError
from rtickets.stages.registry import estimate

tfds = pytest.importorskip("tensorflow_datasets")
pytestmark = pytest.mark.filterwarnings("default")  # of that package and what it imports


def encoded(value, size=(8, 8), mode="RGB"):
    buffer = io.BytesIO()
    colour = value if mode == "L" else (value, value, value)
    Image.new(mode, size, colour).save(buffer, "PNG")
    return io.BytesIO(buffer.getvalue())


def count_up(split, count):
    return range(count)


def write(
    root, splits, *, name="tiny_set", shape=(8, 8, 3), features=None, example=None, numbers=count_up
):
    """Write a set of examples 0 ... n - 1 per split, as array_record files."""

    def default(number):
        return {"image": encoded(number % 256), "label": number % 4}

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "unnamed"
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            kinds = features or {"label": tfds.features.ClassLabel(names=list("abcd"))}
            image = tfds.features.Image(shape=shape)
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict({"image": image, **kinds})
            )

        def _split_generators(self, _):
            return {
                split: self._generate_examples(numbers(split, count))
                for split, count in splits.items()
            }

        def _generate_examples(self, chosen):
            for number in chosen:
                yield number, (example or default)(number)

    options = {"skip_registration": True}
    kind = types.new_class("Named", (Builder,), options, lambda body: body.update(name=name))
    builder = kind(data_dir=str(root), file_format="array_record")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    write(root, {"train": 80, "test": 12})
    return root


def config(root, source="tfds:tiny_set", **options):
    return DataConfig(source=source, path=str(root), **options)


def test_a_set_is_read_by_name_without_tensorflow(root):
    task = data.load(config(root, validation_fraction=0.2))
    assert (len(task.train), len(task.validation), len(task.test)) == (64, 16, 12)
    assert task.class_names == ("a", "b", "c", "d")
    assert isinstance(task.train.images, StreamedImages)
    values = []
    for split in (task.train, task.validation, task.test):
        pixels = np.asarray(split.images)
        assert pixels.shape[1:] == (8, 8, 3)
        np.testing.assert_array_equal(pixels[:, 0, 0, 0] % 4, split.labels)
        values.append(set(pixels[:, 0, 0, 0].tolist()))
    assert values[0] | values[1] == set(range(80))
    assert not values[0] & values[1]
    assert "tensorflow" not in sys.modules


def test_images_of_one_size_are_resized_on_the_device(root):
    task = data.load(config(root, image_size=16, validation_fraction=0.2))
    assert task.train.images.shape[1:] == (8, 8, 3)
    assert task.train.images.view.size is None


def test_labels_are_kept_beside_the_data(root):
    data.load(config(root, validation_fraction=0.2))
    (file,) = (root / "tiny_set" / "1.0.0").glob("rtickets_labels_label_train.npy")
    stored = np.load(file)
    np.save(file, stored[:3])  # of another version of the set
    again = data.load(config(root, validation_fraction=0.2))
    np.testing.assert_array_equal(np.load(file), stored)
    assert len(again.train.labels) == 64
    for damage in (b"", b"junk", b"PK\x03\x04"):
        file.write_bytes(damage)
        assert len(data.load(config(root, validation_fraction=0.2)).train.labels) == 64
        np.testing.assert_array_equal(np.load(file), stored)


def test_validation_images_are_for_testing_only_without_a_test_split(tmp_path):
    write(tmp_path, {"train": 40, "validation": 8}, name="two_splits")
    task = data.load(config(tmp_path, "tfds:two_splits", validation_fraction=0.2))
    assert (len(task.train), len(task.validation), len(task.test)) == (32, 8, 8)


def test_images_of_many_sizes_are_cut_to_one(tmp_path):
    def example(number):
        return {"image": encoded(number, (10 + number % 5, 9)), "label": number % 4}

    write(tmp_path, {"train": 40}, name="sizes", shape=(None, None, 3), example=example)
    task = data.load(config(tmp_path, "tfds:sizes", image_size=8, random_resized_crop=True))
    assert np.asarray(task.train.images).shape == (len(task.train), 8, 8, 3)
    assert task.train.images.training(0, (1,)).shape == (8, 8, 3)
    assert len(task.test) == 8


@pytest.mark.parametrize("validation", [0, 8])
def test_a_test_split_without_labels_counts_as_none(tmp_path, validation):
    """As ImageNet has it, whose validation images are for testing."""

    def example(number):
        return {"image": encoded(number % 256), "label": -1 if number < 0 else number % 4}

    def numbers(split, count):
        return range(-count, 0) if split == "test" else range(count)

    splits = {"train": 40, "test": 12} | ({"validation": validation} if validation else {})
    write(tmp_path, splits, name="unlabelled", example=example, numbers=numbers)
    task = data.load(config(tmp_path, "tfds:unlabelled", validation_fraction=0.2))
    sizes = (32, 8, 8) if validation else (24, 8, 8)
    assert (len(task.train), len(task.validation), len(task.test)) == sizes
    assert task.test.labels.min() == 0


def test_one_of_several_configurations_has_to_be_chosen(tmp_path):
    write(tmp_path, {"train": 40, "test": 8}, name="plain")
    several = tmp_path / "several"
    for name in ("small", "large"):
        shutil.copytree(tmp_path / "plain", several / name)
    message = "holds the configurations large, small; choose one, such as tfds:several/large"
    for source in ("tfds:several", "tfds:several:1.0.0"):
        with pytest.raises(InputError, match=message):
            data.load(config(tmp_path, source))
    for source in ("tfds:several/small", "tfds:several/large:1.0.0"):
        assert len(data.load(config(tmp_path, source, validation_fraction=0.2)).test) == 8
    shutil.rmtree(several / "large")
    assert len(data.load(config(tmp_path, "tfds:several", validation_fraction=0.2)).test) == 8


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:no_such_set", "run: rtickets data prepare tfds:no_such_set"),
        ("tfds:cifar10:9.9.9", r"tfds:cifar10:9\.9\.9 is not there"),
        ("vtab:no_such_task", "source='vtab:no_such_task' .*caltech101"),
        ("tfds:", "source='tfds:' is unknown"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, source, message):
    with pytest.raises(InputError, match=message):
        data.load(config(tmp_path, source))


def test_damaged_records_are_named(tmp_path):
    write(tmp_path, {"train": 40, "test": 8}, name="damaged")
    (file,) = (tmp_path / "damaged" / "1.0.0").glob("damaged-test.array_record*")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"damaged"):
        data.load(config(tmp_path, "tfds:damaged"))


@pytest.mark.parametrize("label", [4, 2**40, -3])
def test_labels_without_a_class_are_named(tmp_path, label):
    """JAX would make nothing of them, without a word."""
    write(
        tmp_path, {"train": 40, "test": 8}, name="odd", features={"label": np.int64},
        example=lambda number: {
            "image": encoded(number), "label": label if number == 7 else number % 4
        },
    )  # fmt: skip
    features = tmp_path / "odd" / "1.0.0" / "features.json"
    described = json.loads(features.read_text())
    described["featuresDict"]["features"]["label"] = {
        "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
        "classLabel": {"numClasses": "4"},
    }
    features.write_text(json.dumps(described))
    with pytest.raises(InputError, match=r"example \d+: |labels .*\[0, 4\]"):
        data.load(config(tmp_path, "tfds:odd", validation_fraction=0.2))


def test_more_classes_than_examples_are_not_made(tmp_path):
    features = {"label": tfds.features.ClassLabel(num_classes=10**9)}
    write(tmp_path, {"train": 40, "test": 8}, name="many", features=features)
    with pytest.raises(InputError, match=r"1,000,000,000 classes .*40"):
        data.load(config(tmp_path, "tfds:many", validation_fraction=0.2))


def test_preparing_a_set_that_is_prepared_says_what_there_is(root, capsys):
    builder = prepare_tfds("tiny_set", root)
    assert builder.info.splits["train"].num_examples == 80
    assert "tfds:tiny_set, test: 12 examples in" in capsys.readouterr().out


def test_a_set_that_needs_the_network_or_tensorflow_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", lambda *_, **__: __import__("tensorflow")
    )
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    words = ["data", "prepare", "tfds:mnist", f"--data-dir={tmp_path}"]
    assert cli.main(words) == 2
    assert "cannot be prepared without tensorflow; pip install 'rtickets[prepare]'" in (
        capsys.readouterr().err
    )


def test_vtab_takes_800_and_200_and_the_whole_test_part(tmp_path):
    write(tmp_path, {"train": 2000, "test": 16}, name="svhn_cropped")
    task = data.load(config(tmp_path, "vtab:svhn_cropped"))
    assert (len(task.train), len(task.validation), len(task.test)) == (800, 200, 16)
    assert np.asarray(task.validation.images).shape == (200, 8, 8, 3)
    everything = open_builder("svhn_cropped:1.0.0", str(tmp_path)).as_data_source(
        split="train", decoders={"image": tfds.decode.SkipDecoding()}
    )
    assert task.train.images.files.read(799) == everything[799]["image"]
    assert task.validation.images.files.read(0) == everything[1800]["image"]
    assert task.class_names == tuple("abcd")


def test_the_configuration_of_vtab_can_be_estimated(tmp_path):
    write(tmp_path, {"train": 2000, "test": 16}, name="svhn_cropped")
    plain = sizes_of(config(tmp_path, "tfds:svhn_cropped"))
    assert (plain.train, plain.validation, plain.test) == (1800, 200, 16)
    assert (plain.shape, plain.stored) == ((8, 8, 3), 0)
    file = Path(__file__).parents[3] / "configs" / "transfer" / "vtab.py"
    words = [f"--config={file}:svhn_cropped", f"--config.data.path={tmp_path}"]
    ours = overrides.from_command_line(TransferConfig, words)
    (found,) = estimate(ours, Setting(ModelConfig(width=0.0625)))
    assert "vtab:svhn_cropped: 800 images of 224x224x3, 4 classes" in found.about[0]
    assert found.about[1].startswith("2,500 steps")
    per_image = network_cost(ModelConfig(width=0.0625), 4, (224, 224, 3)).forward
    trained, validated = 2500 * 64 * 3, 10 * 200
    assert found.operations == pytest.approx(per_image * (trained + validated))


def test_vtab_s_own_labels_and_pixels(tmp_path):
    kinds = {
        "label_x_position": tfds.features.ClassLabel(num_classes=32),
        "label_orientation": tfds.features.ClassLabel(num_classes=40),
    }

    def example(number):
        labels = {"label_x_position": number % 32, "label_orientation": number % 40}
        return {"image": encoded(1, mode="L"), **labels}

    write(
        tmp_path, {"train": 2000}, name="dsprites", shape=(8, 8, 1), features=kinds, example=example
    )
    for name in ("dsprites_location", "dsprites_orientation"):
        task = data.load(config(tmp_path, f"vtab:{name}"))
        assert (len(task.train), len(task.validation), len(task.test)) == (800, 200, 200)
        assert task.class_names == tuple(map(str, range(16)))
        assert task.train.labels.max() == 15
        assert task.train.images.evaluation(0).max() == 255


def test_there_are_19_tasks_with_the_thresholds_of_the_benchmark():
    assert len(TASKS) == 19
    near = {"objects": {"pixel_coords": [[1, 2, 9.2], [1, 2, 8.3]]}}
    assert _clevr_distance(near) == 1
    cars = {"objects": {"location": [[0, 0, 5.0], [0, 0, 30.0]], "type": [4, 1]}}
    assert _kitti_distance(cars) == 2
    nothing = {"objects": {"location": np.zeros((0, 3)), "type": np.zeros(0, int)}}
    assert _kitti_distance(nothing) == 3
    assert [_feature("x", 2.5, {"x": x}) for x in (0, 2, 3, 39)] == [0, 0, 1, 15]
    sizes = {"train": 100, "test": 7}
    assert TASKS["cifar100"].parts(sizes) == ("train[90:290]", "test")
    assert TASKS["eurosat"].parts(sizes) == ("train[60:260]", "train[80:]")
    assert TASKS["smallnorb_azimuth"].parts(sizes) == ("test[:200]", "test[50%:]")
