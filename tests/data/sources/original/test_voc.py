import numpy as np
import pytest
from PIL import Image

from rtickets.data.sources.original.voc import VOC_CLASSES, read_voc2012
from rtickets.errors import InputError


@pytest.fixture
def devkit(tmp_path, save_image):
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (folder / "SegmentationClass").mkdir()
    for split, names in (("train", ("2007_000032", "2007_000039")), ("val", ("2007_000033",))):
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            save_image(folder / "JPEGImages" / f"{name}.jpg", 90, (16, 12))
            mask = np.zeros((12, 16), np.uint8)
            mask[2:5, 3:9], mask[0, 0] = 15, 255
            image = Image.fromarray(mask).convert("P")
            image.putdata(mask.ravel().tolist())
            image.save(folder / "SegmentationClass" / f"{name}.png")
    return tmp_path


def test_images_come_with_a_class_for_every_pixel(devkit):
    splits = read_voc2012(devkit)
    assert [len(splits[name]) for name in ("train", "val")] == [2, 1]
    image, mask = splits["train"].read(1)
    assert (image.shape, image.dtype) == ((12, 16, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((12, 16), np.uint8)
    assert np.unique(mask).tolist() == [0, 15, 255]
    assert VOC_CLASSES[15] == "person"
    assert len(VOC_CLASSES) == 21


def test_a_missing_mask_is_named(devkit):
    (devkit / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png").unlink()
    with pytest.raises(InputError, match=r"val\.txt .*2007_000033\.png.*missing"):
        read_voc2012(devkit)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((12, 16), 33, np.uint8), "has the unknown class 33"),
        (np.zeros((3, 16), np.uint8), r"is \(3, 16\), its image \(12, 16\)"),
        (np.zeros((12, 16, 3), np.uint8), "has mode RGB"),
    ],
)
def test_a_broken_mask_is_named(devkit, mask, message):
    path = devkit / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png"
    Image.fromarray(mask).save(path)
    with pytest.raises(InputError, match=f"2007_000033.png: {message}"):
        read_voc2012(devkit)["val"].read(0)
