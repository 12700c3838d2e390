"""Boxes of VOC: its lists and annotations, and what is wrong with those that are not its."""

import numpy as np
import pytest

from rtickets.data.sources.original.voc_boxes import OBJECTS, VOC0712, VOC2007, read_voc_boxes
from rtickets.errors import InputError

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>
<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
</object>"""


def annotation(*objects, size=(20, 16)):
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    keys = ("name", "difficult", "xmin", "ymin", "xmax", "ymax")
    each = [OBJECT.format(**dict(zip(keys, one, strict=True))) for one in objects]
    return f"<annotation>{sides}{''.join(each)}</annotation>"


@pytest.fixture
def devkit(tmp_path, save_image):
    lists = {
        "VOC2007": {"trainval": "ab", "test": "c"},
        "VOC2012": {"trainval": "d"},
    }
    for year, parts in lists.items():
        folder = tmp_path / "VOCdevkit" / year
        (folder / "ImageSets" / "Main").mkdir(parents=True)
        (folder / "Annotations").mkdir()
        for part, names in parts.items():
            (folder / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names))
            for name in names:
                save_image(folder / "JPEGImages" / f"{name}.jpg", 90, (20, 16))
                text = annotation(("dog", 0, 1, 3, 20, 16), ("person", 1, 4.5, 2, 9, 8))
                (folder / "Annotations" / f"{name}.xml").write_text(text)
    return tmp_path


def test_boxes_come_in_continuous_coordinates_and_difficult_ones_are_marked(devkit):
    found = read_voc_boxes(devkit)
    assert found.class_names == OBJECTS
    assert len(OBJECTS) == 20
    assert [len(found.splits[split]) for split in ("train", "test")] == [3, 1]
    first = found.splits["train"][0]
    assert first.size == (16, 20)
    assert first.boxes.tolist() == [[2, 0, 16, 20], [1, 3.5, 8, 9]]
    assert first.boxes.dtype == np.float32
    assert [OBJECTS[label] for label in first.classes] == ["dog", "person"]
    assert first.crowd.tolist() == [False, True]
    assert first.path.name == "a.jpg"
    assert found.splits["train"][2].path.parts[-3] == "VOC2012"
    assert len(read_voc_boxes(devkit, VOC2007).splits["train"]) == 2
    assert len(read_voc_boxes(devkit / "VOCdevkit", VOC0712).splits["train"]) == 3


@pytest.mark.parametrize("parts", [VOC2007, VOC0712])
def test_a_test_image_in_the_training_list_is_refused(devkit, parts):
    """By year and name, wherever the archives were unpacked; years number their images anew."""
    (devkit / "VOCdevkit/VOC2012/ImageSets/Main/trainval.txt").write_text("d")
    assert len(read_voc_boxes(devkit, parts).splits["test"]) == 1
    (devkit / "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt").write_text("a\nc")
    with pytest.raises(InputError, match=r"ImageSets/Main: 1 training images.*VOC2007/c\.jpg"):
        read_voc_boxes(devkit, parts)


BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c SYSTEM "file:///etc/passwd">]><a>&b;&c;</a>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (annotation(("unicorn", 0, 1, 1, 2, 2)), "unknown class 'unicorn'"),
        (annotation(("dog", 0, 5, 5, 3, 9)), r"box 0, \(4, 4, 9, 3\)"),
        (annotation(("dog", 0, 1, 1, 40, 9)), "not in its image of 16x20"),
        (annotation(("dog", 0, "nan", 1, 4, 9)), "box 0"),
        (annotation(("dog", 0, "one", 1, 4, 9)), "<bndbox/xmin> is 'one'"),
        (annotation(size=("", 3)), "<size/width> is ''"),
        (annotation(size=(0, 3)), "size 3x0"),
        (annotation(size=("nan", 3)), "<size/width> is 'nan'; expected a whole number"),
        (annotation(size=(3, "inf")), "<size/height> is 'inf'; expected a whole number"),
        (annotation(size=("1e400", 3)), "<size/width> is '1e400'; expected a whole number"),
        (annotation(size=("500.7", 3)), r"<size/width> is '500\.7'; expected a whole number"),
        (annotation(("dog", "yes", 1, 1, 4, 9)), "<difficult> is 'yes'; expected 0 or 1"),
        ("<annotation>", "XML"),
        ("", "XML"),
        ("\0", "XML"),
        (BOMB, "document type 'a'"),
        (" " * (1 << 20) + "<a/>", "1,048,576 bytes"),
    ],
)
def test_a_broken_or_hostile_annotation_is_named(devkit, text, message):
    (devkit / "VOCdevkit/VOC2007/Annotations/b.xml").write_text(text)
    with pytest.raises(InputError, match=rf"b\.xml: .*{message}") as caught:
        read_voc_boxes(devkit)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(devkit):
    folder = devkit / "VOCdevkit/VOC2007"
    (folder / "JPEGImages/b.jpg").unlink()
    with pytest.raises(InputError, match=r"trainval\.txt.*b\.jpg.*missing"):
        read_voc_boxes(devkit)
    (folder / "Annotations/a.xml").unlink()
    with pytest.raises(InputError, match=r"a\.xml"):
        read_voc_boxes(devkit)
    (folder / "ImageSets/Main/trainval.txt").write_text("../../secret\n")
    with pytest.raises(InputError, match=r"trainval\.txt: lists '\.\./\.\./secret'"):
        read_voc_boxes(devkit)
    for name in ("/etc/passwd", "a\\b", ".hidden", "a\0b", "a" * 300):
        (folder / "ImageSets/Main/trainval.txt").write_text(f"{name}\n")
        with pytest.raises(InputError, match=r"trainval\.txt: lists '.*expected the name"):
            read_voc_boxes(devkit)
    (folder / "ImageSets/Main/trainval.txt").unlink()
    with pytest.raises(InputError, match=r"trainval\.txt"):
        read_voc_boxes(devkit)
