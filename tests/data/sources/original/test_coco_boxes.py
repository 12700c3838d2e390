"""Boxes of COCO: its layout, and what is wrong with files that are not its."""

import copy
import json

import numpy as np
import pytest

from rtickets.data.sources.original.coco_boxes import read_coco_boxes
from rtickets.errors import InputError

FILE = {
    "categories": [{"id": 7, "name": "train"}, {"id": 3, "name": "car"}],
    "images": [
        {"id": 30, "file_name": "b.jpg", "height": 16, "width": 20},
        {"id": 9, "file_name": "a.jpg", "height": 16, "width": 20},
    ],
    "annotations": [
        {"id": 1, "image_id": 30, "category_id": 7, "bbox": [2, 3.5, 4, 10], "iscrowd": 0},
        {"id": 2, "image_id": 30, "category_id": 3, "bbox": [0, 0, 20.2, 16], "iscrowd": 1},
        {"id": 3, "image_id": 9, "category_id": 3, "bbox": [1, 1, 0, 5], "iscrowd": 0},
    ],
}


@pytest.fixture
def layout(tmp_path, save_image):
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    for part in ("train2017", "val2017"):
        for name in "ab":
            save_image(tmp_path / "coco" / part / f"{name}.jpg", 90, (20, 16))
        (tmp_path / "coco/annotations" / f"instances_{part}.json").write_text(json.dumps(FILE))
    return tmp_path


def test_boxes_and_crowds_are_read_in_the_order_of_numbers(layout):
    found = read_coco_boxes(layout)
    assert found.class_names == ("car", "train")
    first, second = found.splits["train"]
    assert (first.path.name, len(first.boxes)) == ("a.jpg", 0)
    assert first.boxes.shape == (0, 4)
    assert second.boxes.tolist() == [[3.5, 2, 13.5, 6], [0, 0, 16, 20]]
    assert second.classes.tolist() == [1, 0]
    assert second.classes.dtype == np.int32
    assert second.crowd.tolist() == [False, True]
    assert second.size == (16, 20)
    assert len(found.splits["test"]) == 2
    assert found.splits["test"][0].path.parent.name == "val2017"
    assert len(found.notes) == 2
    assert "1 boxes" in found.notes[0]


def changed(place, value):
    """Return the file with a value at a path of keys; ... takes it out."""
    found = copy.deepcopy(FILE)
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
        ("", "JSONDecodeError"),
        ("[]", "annotations of COCO"),
        ("[" * 100_000, "annotations of COCO"),
        (changed(["images"], ...), "'images'"),
        (changed(["categories"], []), "categories"),
        (changed(["categories", 0, "name"], "car"), "categories"),
        (changed(["categories", 0, "id"], "x"), "'x'"),
        (changed(["images", 0, "id"], 9), "two images"),
        (changed(["images", 0, "height"], ...), "image 0.*'height'"),
        (changed(["images", 0, "height"], 0), "image 30.*0x20"),
        (changed(["images", 0, "height"], 1.5), r"image 0.*1\.5"),
        (changed(["images", 0, "file_name"], "../b.jpg"), r"image 0.*\.\./b\.jpg"),
        (changed(["images", 0, "file_name"], "c.jpg"), r"c\.jpg, which is missing"),
        (changed(["annotations", 0, "bbox"], [1, 2, 3]), "annotation 0"),
        (changed(["annotations", 0, "bbox"], [1, 2, 3, "x"]), "annotation 0"),
        (changed(["annotations", 0, "bbox"], [1, 2, 3, float("nan")]), "image 30: box 0"),
        (changed(["annotations", 0, "bbox"], [1, 2, 3, 10**400]), "annotation 0"),
        (changed(["annotations", 0, "bbox"], [15, 2, 9, 9]), "image 30: box 0.*16x20"),
        (changed(["annotations", 0, "image_id"], 1), "annotation 0.*image_id 1"),
        (changed(["annotations", 0, "category_id"], 1), "annotation 0.*category_id 1"),
        (changed(["annotations", 0], None), "annotation 0"),
        (changed(["images"], None), "'images' is None; expected a list"),
        (changed(["images"], 5), "'images' is 5; expected a list"),
        (changed(["annotations"], None), "'annotations' is None; expected a list"),
        (changed(["annotations"], {"a": 1}), "'annotations' is .* expected a list"),
        (changed(["categories"], None), "'categories' is None; expected a list"),
        (changed(["categories", 0, "name"], None), "None is no name"),
        (changed(["categories", 0, "name"], 5), "5 is no name"),
        (changed(["categories", 0, "name"], " "), "' ' is no name"),
        (changed(["categories", 0, "id"], True), "True is no integer"),
        (changed(["annotations", 0, "iscrowd"], "0"), "annotation 0.*iscrowd.*'0'.*0 or 1"),
        (changed(["annotations", 0, "iscrowd"], None), "annotation 0.*iscrowd.*None.*0 or 1"),
        (changed(["annotations", 0, "iscrowd"], 2), "annotation 0.*iscrowd.*2.*0 or 1"),
        (changed(["annotations", 0, "bbox"], [1, 2, "3", 4]), "annotation 0.*'3' is no number"),
        (changed(["annotations", 0, "bbox"], None), "annotation 0"),
        (changed(["annotations", 0, "bbox"], {"a": 1}), "annotation 0"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(layout, text, message):
    (layout / "coco/annotations/instances_train2017.json").write_text(text)
    with pytest.raises(InputError, match=rf"instances_train2017\.json: .*{message}") as caught:
        read_coco_boxes(layout)
    assert "\n" not in str(caught.value)


def test_what_does_not_go_together_is_refused(layout):
    path = layout / "coco/annotations/instances_val2017.json"
    path.write_text(changed(["categories", 0, "name"], "bus"))
    with pytest.raises(InputError, match=r"categories of train2017 and val2017 differ"):
        read_coco_boxes(layout)
    path.unlink()
    with pytest.raises(InputError, match=r"instances_val2017\.json"):
        read_coco_boxes(layout)
