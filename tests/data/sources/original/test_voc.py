import numpy as np
import pytest
from PIL import Image

from rtickets.data.sources.original.voc import VOC_CLASSES, read_voc2012, voc_colour
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


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a\\b", ".evil", "a\0b", "a" * 300])
def test_a_list_names_images_of_its_own_folder_alone(devkit, save_image, name):
    save_image(devkit / "evil.jpg", 90, (16, 12))
    (devkit / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").write_text(f"{name}\n")
    with pytest.raises(InputError, match=r"val\.txt: lists '.*expected the name of") as caught:
        read_voc2012(devkit)
    assert "\n" not in str(caught.value)


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


def test_the_palette_is_that_of_the_development_kit():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    assert {index: tuple(voc_colour(index)) for index in known} == known
    assert voc_colour(255) == [224, 224, 192]


def indexed(path, mask, colours):
    image = Image.fromarray(mask).convert("P")
    image.putdata(mask.ravel().tolist())
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)


def test_a_palette_that_was_sorted_anew_is_refused(devkit):
    path = devkit / "VOCdevkit/VOC2012/SegmentationClass/2007_000033.png"
    mask = np.zeros((12, 16), np.uint8)
    mask[3:6, 3:9] = 1
    indexed(path, mask, [voc_colour(0), voc_colour(15)])  # a person, renumbered to 1
    with pytest.raises(
        InputError, match=r"2007_000033\.png.*colour 1 .*\(192, 128, 128\).*palette"
    ):
        read_voc2012(devkit)["val"].read(0)
    indexed(path, mask, [voc_colour(index) for index in range(256)])
    assert np.unique(read_voc2012(devkit)["val"].read(0)[1]).tolist() == [0, 1]


def test_the_augmented_list_is_read_where_it_is(devkit):
    assert "trainaug" not in read_voc2012(devkit)
    folder = devkit / "VOCdevkit" / "VOC2012"
    (folder / "SegmentationClassAug").mkdir()
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "trainaug.txt").write_text("2007_000032\n")
    with pytest.raises(InputError, match=r"trainaug\.txt .*2007_000032\.png.*missing"):
        read_voc2012(devkit)
    Image.new("L", (16, 12), 7).save(folder / "SegmentationClassAug" / "2007_000032.png")
    assert read_voc2012(devkit)["trainaug"].read(0)[1].max() == 7
