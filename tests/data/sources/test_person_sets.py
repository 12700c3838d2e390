"""Persons of COCO: its layout, what is cut out, and what is wrong with files that are not its."""

import copy
import json

import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import data
from rtickets.config import DataConfig
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import make_transform
from rtickets.data.images.cuts import windows_around
from rtickets.data.images.stream import TrainingOrder, training_batches
from rtickets.data.skeletons import COCO_PERSON
from rtickets.data.sources.original.coco_persons import read_coco_persons
from rtickets.errors import InputError
from rtickets.tasks import Keypoints, task_of
from rtickets.training.inputs import device_transform


def keypoints(column, row):
    """Return a keypoint of every kind: in sight, hidden, and 15 that nobody labelled."""
    return [column, row, 2, column + 4, row, 1, *[0, 0, 0] * 15]


def person(image, left, top, **changes):
    return {
        "image_id": image, "category_id": 1, "bbox": [left, top, 10, 20], "area": 120.5,
        "iscrowd": 0, "num_keypoints": 2, "keypoints": keypoints(left + 3, top + 5), **changes,
    }  # fmt: skip


FILE = {
    "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_PERSON.names)}],
    "images": [
        {"id": 30, "file_name": "b.png", "height": 50, "width": 40},
        {"id": 9, "file_name": "a.png", "height": 50, "width": 40},
    ],
    "annotations": [
        person(30, 0, 2),
        person(30, 20, 25),
        person(9, 25, 20),
        person(9, 2, 2, iscrowd=1),
        person(9, 2, 2, keypoints=[0] * 51, bbox=[0, 0, 0, 0]),
    ],
}


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "annotations").mkdir()
    for part in ("train2017", "val2017"):
        (tmp_path / part).mkdir()
        for name, image in (("a", 9), ("b", 30)):
            pixels = np.zeros((50, 40, 3), np.uint8)
            for each in FILE["annotations"]:
                if each["image_id"] == image and not each["iscrowd"]:
                    left, top, *_ = each["bbox"]
                    pixels[top + 5, left + 3] = 250  # where a keypoint is
            Image.fromarray(pixels).save(tmp_path / part / f"{name}.png")
        file = tmp_path / "annotations" / f"person_keypoints_{part}.json"
        file.write_text(json.dumps(FILE))
    return tmp_path


def config(path, **fields):
    own = {"task": Keypoints(), "validation_fraction": 0.34, "workers": 1, "image_size": (100, 75)}
    return DataConfig(source="coco_keypoints", path=str(path), **{**own, **fields})


def test_persons_with_a_keypoint_are_read_and_crowds_left_out(layout):
    persons = read_coco_persons(layout)["train"]
    assert [each.picture for each in persons] == [9, 30, 30]
    first = persons[0]
    assert first.path.name == "a.png"
    assert first.box == (20, 25, 40, 35)
    assert first.keypoints[:3].tolist() == [[25.5, 28.5, 2], [25.5, 32.5, 1], [0, 0, 0]]


def test_windows_have_the_shape_of_images_and_hold_their_box():
    boxes = np.array([[20.0, 25, 40, 35], [0, 0, 10, 30]])
    windows = windows_around(boxes, (100, 75), 1.25)
    np.testing.assert_allclose(windows[0], [30 - 12.5, 30 - 9.375, 25, 18.75])
    np.testing.assert_allclose(windows[1], [5 - 25, 15 - 18.75, 50, 37.5])


def test_cut_images_have_their_keypoints_where_they_are(layout):
    dataset = data.load(config(layout))
    assert [len(split) for split in dataset[:3]] == [2, 1, 3]
    test = dataset.test.arrays
    images = np.asarray(test["image"])
    assert images.shape == (3, 100, 75, 3)
    for image, points in zip(images, test["keypoints"], strict=True):
        brightest = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
        # a pixel of the photograph is 4 here
        np.testing.assert_allclose(points[0, :2], np.array(brightest) + 0.5, atol=2.1)
        np.testing.assert_allclose(points[1, :2] - points[0, :2], [0, 16], atol=1e-3)
        assert (points[2:] == 0).all()
    assert test["picture"].tolist() == [9, 30, 30]
    assert (images[1][:, :5] == 0).all()  # beyond the left side of the photograph
    assert dataset.train.streamed
    whole = data.load(config(layout, stream=False))
    np.testing.assert_array_equal(whole.test.images, images)


def test_batches_are_turned_on_the_device_and_listed_in_the_photograph(layout):
    pytest.importorskip("grain")
    asked = config(layout, flip=True, task=Keypoints(rotation=20.0, scale=0.2, half_body=0.3))
    dataset, task = data.load(asked), task_of(asked)
    assert task.names == COCO_PERSON.names
    transform = device_transform(make_transform(asked).left_to_do(dataset), dataset.train)
    (raw,) = training_batches(dataset.train, TrainingOrder(2, 2, 0, 0, 1))
    batch = task.augment(transform, jax.random.split(jax.random.key(0), 2), raw)
    assert batch["image"].shape == (2, 100, 75, 3)
    assert np.isfinite(batch["keypoints"]).all()
    plain = task.prepare(transform, dataset.test.decoded())
    listed = task.listed(np.zeros((3, 25, 19, 17), np.float32), plain)
    persons = read_coco_persons(layout)["test"]
    for place, each in enumerate(persons):
        labelled = each.keypoints[:, 2] > 0
        np.testing.assert_allclose(
            listed["keypoints"][place][labelled], each.keypoints[labelled], atol=1e-3
        )
        assert listed["areas"][place] == pytest.approx(each.area, rel=1e-5)


def test_sizes_are_known_without_reading(tmp_path):
    sizes = sizes_of(config(tmp_path, image_size=None))
    assert (sizes.train + sizes.validation, sizes.test, sizes.outputs) == (149_813, 6_352, 17)
    assert sizes.shape == (256, 192, 3)
    with pytest.raises(InputError, match=r"not there.*data prepare coco2017"):
        data.load(config(tmp_path / "not there"))


def changed(place, value):
    found = copy.deepcopy(FILE)
    for number, each in enumerate(found["annotations"]):
        each["id"] = number
    *way, last = place
    inner = found
    for key in way:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSONDecodeError"),
        (changed(["images"], ...), "'images'"),
        (changed(["categories", 0, "keypoints"], ["nose"]), "expected one, with 'keypoints': nose"),
        (changed(["categories", 0, "keypoints"], ...), "expected one, with 'keypoints'"),
        (changed(["annotations", 0, "keypoints"], [1, 2, 2]), "annotation 0.*3 numbers.*17"),
        (changed(["annotations", 0, "keypoints"], ...), "annotation 0.*'keypoints'"),
        (changed(["annotations", 0, "keypoints", 2], 3), "annotation 0.*v=3"),
        (changed(["annotations", 0, "keypoints", 2], "2"), "annotation 0.*'2' is no number"),
        (changed(["annotations", 0, "keypoints", 0], float("nan")), "annotation 0.*nowhere near"),
        (changed(["annotations", 0, "keypoints", 0], 1e12), "annotation 0.*nowhere near"),
        (changed(["annotations", 0, "bbox"], [1, 2, 0, 4]), r"annotation 0.*\[1, 2, 0, 4\]"),
        (changed(["annotations", 0, "bbox"], [1e9, 2, 3, 4]), "annotation 0.*far from"),
        (changed(["annotations", 0, "bbox"], [1, 2, 1e-30, 1e-30]), "annotation 0.*is empty"),
        (changed(["annotations", 0, "bbox"], [50, 2, 3, 4]), "annotation 0.*nothing of its image"),
        (changed(["annotations", 0, "bbox"], [1, -9, 3, 4]), "annotation 0.*nothing of its image"),
        (changed(["annotations", 1, "id"], 0), "annotation 1.*id 0.*has before"),
        (changed(["annotations", 1, "id"], "a"), "annotation 1.*'a' is no integer"),
        (changed(["annotations", 0, "area"], 0), "annotation 0.*area 0"),
        (changed(["annotations", 0, "area"], ...), "annotation 0.*'area'"),
        (changed(["annotations", 0, "image_id"], 7), "annotation 0.*image_id 7"),
        (changed(["annotations", 0, "iscrowd"], "0"), "annotation 0.*iscrowd"),
        (changed(["annotations"], []), "no person has a labelled keypoint"),
        (changed(["images", 0, "file_name"], "../b.png"), r"image 0.*\.\./b\.png"),
        (changed(["images", 0, "file_name"], "c.png"), r"c\.png, which is missing"),
        (changed(["images", 0, "height"], 0), "annotation 0.*0x40"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(layout, text, message):
    (layout / "annotations/person_keypoints_train2017.json").write_text(text)
    with pytest.raises(
        InputError, match=rf"person_keypoints_train2017\.json: .*{message}"
    ) as error:
        data.load(config(layout))
    assert "\n" not in str(error.value)


def test_a_photograph_of_another_size_than_its_annotation_says_is_refused(layout):
    Image.new("RGB", (41, 50)).save(layout / "val2017" / "b.png")
    dataset = data.load(config(layout))
    with pytest.raises(InputError, match=r"b\.png: is 50x41, its annotation says 50x40"):
        np.asarray(dataset.test.images)
