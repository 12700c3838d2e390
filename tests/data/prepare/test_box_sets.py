import json
import zipfile

import pytest

from rtickets import cli
from rtickets.data.prepare.box_sets import prepare_boxes
from rtickets.data.sources.box_sets import BOX_SETS
from rtickets.data.sources.public import Download
from rtickets.errors import InputError


@pytest.fixture
def packed(tmp_path, save_image):
    """Three archives in COCO's layout, and a description that expects them."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for part, count in (("train2017", 2), ("val2017", 1)):
        images = []
        for number in range(count):
            save_image(root / part / f"{number}.png", 90, (20, 16))
            about = {"id": number, "file_name": f"{number}.png", "height": 16, "width": 20}
            images.append(about)
        box = {"image_id": 0, "category_id": 1, "bbox": [2, 3, 4, 5], "iscrowd": 0}
        text = {
            "images": images, "annotations": [box], "categories": [{"id": 1, "name": "dog"}],
        }  # fmt: skip
        path = root / "annotations" / f"instances_{part}.json"
        path.write_text(json.dumps(text))
    archives = tmp_path / "archives"
    archives.mkdir()
    for part in ("annotations", "train2017", "val2017"):
        with zipfile.ZipFile(archives / f"{part}.zip", "w") as archive:
            for path in sorted((root / part).iterdir()):
                archive.write(path, f"{part}/{path.name}")
    downloads = tuple(Download(path.name) for path in sorted(archives.iterdir()))
    return root, archives, BOX_SETS["coco2017"]._replace(train=2, test=1, downloads=downloads)


def test_archives_are_unpacked_once_and_checked_again(packed, tmp_path):
    _, archives, box_set = packed
    said = []
    for _ in range(2):
        found = prepare_boxes(box_set, tmp_path / "out", archives, said.append)
    assert [len(images) for images in found.splits.values()] == [2, 1]
    assert found.splits["train"][0].path.is_relative_to(tmp_path / "out")
    assert sum(line.startswith("unpacking") for line in said) == 3
    assert said[-2:] == [
        f"coco2017: 2 train, 1 test images in {tmp_path / 'out'}",
        "coco2017: 1 of 1 test images are exact copies of training images",
    ]
    assert len(box_set.read(tmp_path / "out").splits["train"]) == 2


def test_an_unpacked_folder_is_used_where_it_lies(packed, tmp_path):
    root, _, box_set = packed
    found = prepare_boxes(box_set, tmp_path / "out", root, lambda text: None)
    assert found.splits["train"][0].path.is_relative_to(root)
    assert not (tmp_path / "out").exists()


def test_what_is_not_complete_or_not_sound_is_refused(packed, tmp_path, save_image):
    root, archives, box_set = packed
    quiet = {"say": lambda text: None}
    with pytest.raises(InputError, match="has 2 train images; expected 118,287"):
        prepare_boxes(BOX_SETS["coco2017"], tmp_path / "out", root, **quiet)
    save_image(root / "train2017" / "1.png", 90, (16, 20))
    with pytest.raises(InputError, match=r"1\.png: is 20x16, its annotation says 16x20"):
        prepare_boxes(box_set, tmp_path / "out", root, **quiet)
    (root / "train2017" / "1.png").write_text("nothing")
    with pytest.raises(InputError, match=r"1\.png.*image"):
        prepare_boxes(box_set, tmp_path / "out", root, **quiet)
    (archives / "val2017.zip").unlink()
    with pytest.raises(InputError, match=r"val2017\.zip: is missing"):
        prepare_boxes(box_set, tmp_path / "out", archives, **quiet)
    broken = tuple(each._replace(md5="0" * 32) for each in box_set.downloads)
    with pytest.raises(InputError, match="MD5"):
        prepare_boxes(box_set._replace(downloads=broken), tmp_path / "other", archives, **quiet)


def test_the_command_names_it(packed, tmp_path, monkeypatch, capsys):
    root, _, box_set = packed
    monkeypatch.setitem(BOX_SETS, "coco2017", box_set)
    assert cli.main(["data", "prepare", "coco2017", f"--manual={root}"]) == 0
    assert "coco2017: 2 train, 1 test images" in capsys.readouterr().out
    assert cli.main(["data", "prepare", "voc0712", f"--manual={tmp_path}"]) == 2
    assert "trainval.txt" in capsys.readouterr().err
