"""Sets of images with boxes as sources: streamed and in memory, cut alike."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import cli, data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.fingerprint import MISSING, fingerprint
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.stream import TrainingOrder, evaluation_batches, training_batches
from rtickets.data.sources.box_sets import BOX_SETS
from rtickets.data.sources.registry import get_source
from rtickets.errors import InputError
from rtickets.tasks import Detection, task_of
from rtickets.training.inputs import device_transform


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """COCO's layout of 12 and 4 images of many sizes, a bright object in each."""
    root, rng = tmp_path_factory.mktemp("coco"), np.random.default_rng(0)
    (root / "annotations").mkdir()
    for part, count in (("train2017", 12), ("val2017", 4)):
        (root / part).mkdir()
        images, boxes = [], []
        for number in range(count):
            height, width = rng.integers(30, 60, 2).tolist()
            top, left = rng.integers(0, [height - 20, width - 20]).tolist()
            pixels = np.zeros((height, width, 3), np.uint8)
            pixels[top : top + 18, left : left + 14] = 255
            Image.fromarray(pixels).save(root / part / f"{number}.png")
            images.append({
                "id": number, "file_name": f"{number}.png", "height": height, "width": width,
            })  # fmt: skip
            boxes += [
                {"image_id": number, "category_id": number % 2, "bbox": [left, top, 14, 18]},
                {"image_id": number, "category_id": 0, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            ][: 1 + number % 2]
        about = {
            "images": images, "annotations": boxes,
            "categories": [{"id": number, "name": f"thing {number}"} for number in range(2)],
        }  # fmt: skip
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(about))
    return root


def config(layout, **changes):
    fields = {"image_size": 32, "task": Detection(), "validation_fraction": 0.25, "workers": 1}
    return DataConfig(source="coco2017", path=str(layout), **{**fields, **changes})


def around(image):
    """Return the box around what is bright."""
    bright = np.asarray(image)[..., 0] > 127
    if not bright.any():
        return None
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


def check(images, boxes, slack=1.5):
    """Check that the first box of every image is around what is bright; return how many are."""
    kept = 0
    for image, (box, *_) in zip(images, boxes, strict=True):
        if box.any():
            np.testing.assert_allclose(box, around(image), atol=slack)
            kept += 1
    return kept


def test_arrays_of_all_splits_have_as_many_rows(layout):
    raw = get_source("coco2017").load(config(layout), make_transform(config(layout)).view)
    assert raw.class_names == ("thing 0", "thing 1")
    for split, count in ((raw.train, 12), (raw.test, 4)):
        assert split.images.shape == (count, 32, 32, 3)
        assert split.arrays["boxes"].shape == (count, 2, 4)
        assert split.arrays["classes"].dtype == np.int32
        assert split.arrays["crowd"].dtype == bool
        assert check(np.asarray(split.images), np.asarray(split.arrays["boxes"])) == count
    assert raw.train.arrays["classes"][:2].tolist() == [[0, -1], [1, 0]]
    assert raw.train.arrays["crowd"].sum() == 6


@pytest.mark.parametrize(
    "changes", [{}, {"random_resized_crop": True, "crop_scale": (0.4, 1.0)}, {"resize": 40}]
)
def test_streamed_images_and_boxes_are_cut_alike(layout, changes):
    pytest.importorskip("pycocotools")
    pytest.importorskip("grain")
    dataset = data.load(config(layout, **changes))
    assert [len(split) for split in dataset[:3]] == [9, 3, 4]
    assert dataset.train.streamed
    (batch,) = training_batches(dataset.train, TrainingOrder(9, 9, 0, 0, 1))
    assert check(batch["image"], batch["boxes"]) >= 5
    # What is left for the device moves both as well.
    asked = config(layout, **changes)
    transform = device_transform(make_transform(asked).left_to_do(dataset), dataset.train)
    keys = jax.random.split(jax.random.key(0), 9)
    moved = task_of(asked).augment(transform, keys, batch)
    assert check(np.asarray(moved["image"]) * 255, np.asarray(moved["boxes"])) >= 5
    whole = data.load(config(layout, stream=False, **changes))
    assert not whole.train.streamed
    assert check(whole.train.images, whole.train.arrays["boxes"]) >= 5


def test_sizes_are_known_without_reading_and_files_identify_it(layout, tmp_path):
    sizes = sizes_of(config(tmp_path, image_size=None))
    assert (sizes.train + sizes.validation, sizes.test, sizes.outputs) == (118_287, 5_000, 80)
    assert sizes.shape == (512, 512, 3)
    assert sizes_of(DataConfig(source="voc0712", task=Detection())).outputs == 20
    assert fingerprint(config(layout)) not in (None, MISSING)
    assert fingerprint(config(tmp_path / "not there")) == MISSING


@pytest.mark.parametrize("name", BOX_SETS)
def test_a_set_that_is_not_there_says_how_to_get_it(name, tmp_path):
    with pytest.raises(InputError, match=rf"not there.*data prepare {name}"):
        data.load(DataConfig(source=name, path=str(tmp_path / "not there"), task=Detection()))


def test_a_set_with_boxes_is_not_classified(layout):
    with pytest.raises(InputError, match=r"image, boxes, classes, crowd.*data\.task"):
        data.load(config(layout, task=None))


def decode_all(asked):
    dataset = data.load(asked)
    list(training_batches(dataset.train, TrainingOrder(9, 9, 0, 0, 1)))
    list(evaluation_batches(dataset.test, np.arange(4), 4))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("size", [32, None])
def test_an_image_of_another_size_than_its_annotation_says_is_refused(
    layout, tmp_path, stream, size
):
    pytest.importorskip("pycocotools")
    pytest.importorskip("grain")
    root = tmp_path / "coco"
    shutil.copytree(layout, root)
    for path in root.glob("*2017/*.png"):
        Image.new("RGB", (60, 60)).save(path)
    for path in (root / "annotations").glob("*.json"):
        about = json.loads(path.read_text())
        for each in about["images"]:
            each |= {"height": 60, "width": 60 if each["id"] else 80}
        path.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"/0\.png: is 60x60, its annotation says 60x80;") as error:
        decode_all(config(root, stream=stream, image_size=size))
    assert "\n" not in str(error.value)


def test_copies_of_its_images_are_counted(layout, tmp_path, capsys):
    pytest.importorskip("pycocotools")
    root = tmp_path / "coco"
    shutil.copytree(layout, root)
    shutil.copy(root / "train2017" / "3.png", root / "val2017" / "3.png")
    about = json.loads((root / "annotations" / "instances_val2017.json").read_text())
    (train,) = (
        each
        for each in json.loads((root / "annotations" / "instances_train2017.json").read_text())[
            "images"
        ]
        if each["id"] == 3
    )
    about["images"][3], about["annotations"] = train, about["annotations"][:1]
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(about))
    words = ["data", "info", "--config.source=coco2017", f"--config.path={root}"]
    assert cli.main([*words, "--config.task.name=detection", "--config.image_size=32"]) == 0
    said = capsys.readouterr().out
    assert "1 of 4 test images are exact copies of" in said
