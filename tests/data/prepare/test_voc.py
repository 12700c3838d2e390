import hashlib
import tarfile

import numpy as np
import pytest
from PIL import Image

from rtickets.data.prepare.voc import prepare_voc
from rtickets.data.sources.original.voc import read_voc2012
from rtickets.data.sources.public import VOC2012
from rtickets.errors import InputError

COUNTS = {"train": 2, "val": 1}


@pytest.fixture
def devkit(tmp_path, save_image):
    folder = tmp_path / "originals" / "VOCdevkit" / "VOC2012"
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (folder / "SegmentationClass").mkdir()
    for split, names in (("train", "ab"), ("val", "c")):
        (lists / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            save_image(folder / "JPEGImages" / f"{name}.jpg", 90, (8, 6))
            mask = Image.fromarray(np.zeros((6, 8), np.uint8))
            mask.save(folder / "SegmentationClass" / f"{name}.png")
    return tmp_path / "originals"


def test_the_archive_is_unpacked_once(devkit, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / VOC2012.name, "w") as archive:
        archive.add(devkit / "VOCdevkit", "VOCdevkit")
    md5 = hashlib.md5((packed / VOC2012.name).read_bytes()).hexdigest()
    said = []
    for _ in range(2):
        splits = prepare_voc(tmp_path / "out", packed, said.append, COUNTS, md5)
    assert len(splits["train"]) == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["VOCdevkit"]
    assert said[0] == f"unpacking {VOC2012.name}"
    assert said[1] == said[4] == "checking masks"
    assert said[2] == said[5] == f"voc2012: 2 train, 1 val images in {tmp_path / 'out'}"
    copied = "train.txt and val.txt: 1 of 1 test images are exact copies of training images"
    assert said[3] == said[6] == copied
    assert len(read_voc2012(tmp_path / "out")["val"]) == 1
    with pytest.raises(InputError, match="MD5 checksum"):
        prepare_voc(tmp_path / "other", packed, said.append, COUNTS)


def test_an_unpacked_folder_is_used_where_it_lies(devkit, tmp_path):
    splits = prepare_voc(tmp_path / "out", devkit, lambda text: None, COUNTS)
    assert splits["val"].images[0].is_relative_to(devkit)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"train\.txt .*2 images; .*1464"):
        prepare_voc(tmp_path / "out", devkit, lambda text: None)
