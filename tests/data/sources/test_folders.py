import os

import numpy as np
import pytest
from PIL import Image, features

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.images.views import View
from rtickets.data.sources.folders import read_folder, stream_folder
from rtickets.errors import InputError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
STORED = View(None)  # images as they are


def put(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


@pytest.fixture
def pets(tmp_path):
    put(tmp_path / "dog" / "1.png", GREY)
    put(tmp_path / "cat" / "2.png", GREY + 20)
    put(tmp_path / "cat" / "1.png", GREY + 10)
    return tmp_path


def test_classes_and_images_are_in_alphabetical_order(pets):
    raw = read_folder(pets, STORED)
    assert raw.class_names == ("cat", "dog")
    assert raw.test is None
    assert raw.train.labels.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(raw.train.images[..., 0], [GREY + 10, GREY + 20, GREY])


def test_one_colour_image_makes_all_colour(pets):
    put(pets / "dog" / "2.png", COLOUR)
    images = read_folder(pets, STORED).train.images
    assert images.shape == (4, 3, 4, 3)
    np.testing.assert_array_equal(images[3], COLOUR)
    np.testing.assert_array_equal(images[2], np.repeat(GREY[..., None], 3, -1))


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)]
)
def test_images_of_every_8_bit_mode_are_read(tmp_path, mode, channels):
    for name in ("a", "b"):
        put(tmp_path / name / "1.png", COLOUR[..., 0] // 18 * 255, mode)
    images = read_folder(tmp_path, STORED).train.images
    assert images.shape == (2, 3, 4, channels)
    assert set(np.unique(images)) == {0, 255}


def test_images_of_more_than_8_bits_are_refused(pets):
    put(pets / "cat" / "3.png", GREY.astype(np.uint16) * 5000)
    with pytest.raises(InputError, match=r"cat/3\.png: .* I;16"):
        read_folder(pets, STORED)


def test_train_and_test_folders_are_the_splits(tmp_path):
    for part, value in (("train", 1), ("test", 2)):
        for name in ("a", "b"):
            put(tmp_path / part / name / "x.png", np.full((2, 2), value, np.uint8))
    raw = read_folder(tmp_path, STORED)
    assert raw.class_names == ("a", "b")
    assert np.unique(raw.train.images) == [1]
    assert np.unique(raw.test.images) == [2]
    assert raw.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize("test", [False, True])
def test_a_validation_folder_is_the_validation_split(tmp_path, test):
    for part in ("train", "val", *["test"] * test):
        for name in ("a", "b"):
            for number in range(2 if part == "train" else 1):
                put(tmp_path / part / name / f"{number}.png", np.full((2, 2), len(part), np.uint8))
    options = {"source": "folder", "path": str(tmp_path), "test_fraction": 0.5}
    task = data.load(DataConfig(**options))
    assert np.unique(task.validation.images) == [len("val")]
    assert (len(task.train), len(task.validation), len(task.test)) == (4 if test else 2, 2, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/a", "train/b", "valid/a", "valid/b"), "valid: is none of train, val and test"),
        (("val/a", "test/a"), "has test and val, but no folder train"),
        (("train/a", "train/b", "test/a", "test/b", "test/c"), r"test/c: is no class of .*train$"),
        (("train/a", "train/b", "val/b"), "val/a: class without images"),
    ],
)
def test_folders_that_would_be_left_out_are_named(tmp_path, names, message):
    for name in names:
        put(tmp_path / name / "x.png", GREY)
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path, STORED)


def test_images_at_any_depth_count_for_their_class_as_in_torchvision(pets):
    put(pets / "dog" / "small" / "brown" / "1.png", GREY + 30)
    put(pets / "cat" / "old" / "0.png", GREY + 40)
    raw = read_folder(pets, STORED)
    assert raw.class_names == ("cat", "dog")
    assert raw.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert sorted(raw.train.images[:, 0, 0, 0].tolist()) == [0, 10, 20, 30, 40]
    assert raw.notes == ("2 images lie in folders within those of the classes",)


def test_nothing_is_said_where_nothing_is_left_out(pets):
    (pets / "readme.md").write_text("nothing")
    assert read_folder(pets, STORED).notes == ()


def test_what_is_left_out_is_counted_by_its_reason(pets):
    for name in ("notes.txt", "1.TGA", "2.tga", "plain"):
        (pets / "cat" / name).write_text("nothing")
    put(pets / ".thumbnails" / "1.png", GREY)  # beside the classes: no note
    for name in (".3.png", "._1.png"):
        put(pets / "dog" / name, GREY)
    put(pets / "dog" / ".trash" / "1.png", GREY)
    put(pets / "loose.png", GREY)
    (pets / "dog" / "gone.png").symlink_to(pets / "nowhere.png")
    (pets / "dog" / "self.png").symlink_to(pets / "dog" / "self.png")
    (pets / "dog" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(pets / "dog" / "pipe.png")
    for read in (read_folder, stream_folder):
        (note,) = read(pets, STORED, None).notes
        assert note == (
            "left out: 4 of other kinds (.tga, .txt, no ending), 3 hidden, 4 no files (links to "
            "nothing, devices, pipes), 1 images outside of the classes' folders"
        )


def test_links_to_images_and_folders_are_followed_once(pets, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    put(other / "9.png", GREY + 50)
    (pets / "dog" / "more").symlink_to(other)
    (pets / "dog" / "again").symlink_to(other)
    (pets / "dog" / "loop").symlink_to(pets / "dog")
    (pets / "cat" / "3.png").symlink_to(other / "9.png")
    raw = read_folder(pets, STORED)
    assert raw.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert raw.notes[0] == "left out: 2 links to folders that were read already"


def test_images_beside_the_splits_and_their_classes_are_counted(tmp_path):
    for name in ("train/a", "train/b", "train", "extra", "."):
        put(tmp_path / name / "x.png", GREY)
    assert "3 images outside of the classes' folders" in read_folder(tmp_path, STORED).notes[0]


@pytest.mark.parametrize("name", ["Train", "TEST", "training", "valid", "validation"])
def test_a_folder_that_looks_like_a_split_is_no_class(tmp_path, name):
    for part in (f"{name}/a", f"{name}/b", "rest/a", "rest/b"):
        put(tmp_path / part / "x.png", GREY)
    with pytest.raises(InputError, match=f"{name}.* no folder train"):
        read_folder(tmp_path, STORED)


def test_what_photographs_ask_for_and_do_not_get_is_counted(pets):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("3.jpg", "4.png", "5.webp"):
        Image.fromarray(COLOUR).save(pets / "cat" / name, exif=exif)
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    for name in ("6.gif", "7.webp", "8.tif"):
        frames[0].save(pets / "cat" / name, save_all=True, append_images=frames[1:])
    raw = read_folder(pets, STORED)
    assert raw.train.images.shape == (9, 3, 4, 3)  # as stored, not turned
    assert raw.notes == (
        "3 images ask to be turned (EXIF) and are not",
        "3 images hold several pictures; the first counts",
    )


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".tif", {}), (".tiff", {"compression": "tiff_lzw"}), (".ppm", {}), (".pgm", {}),
        (".pnm", {}), (".jfif", {"format": "JPEG"}), (".jpe", {"format": "JPEG"}),
        (".jp2", {"irreversible": False}), (".j2k", {}), (".dib", {}), (".apng", {"format": "PNG"}),
        (".mpo", {"format": "JPEG"}), (".avif", {"quality": 100}),
    ],
)  # fmt: skip
def test_formats_that_were_left_out_are_read(pets, suffix, options):
    path = pets / "dog" / f"2{suffix}"
    image = Image.fromarray(np.full((16, 16), 200, np.uint8))
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    image.save(path, **options)
    raw = read_folder(pets, View((3, 4)))
    assert len(raw.train) == 4
    np.testing.assert_allclose(raw.train.images[3].astype(int), 200, atol=3)
    assert raw.notes == ()


@pytest.mark.parametrize("suffix", [".PNG", ".bmp", ".gif", ".webp", ".jpg", ".JPEG"])
def test_suffixes_of_any_case_are_images(pets, suffix):
    put(pets / "dog" / f"2{suffix}", np.full((3, 4), 200, np.uint8), "L")
    images = read_folder(pets, STORED).train.images
    np.testing.assert_allclose(images[3].astype(int), 200, atol=2)


def test_images_of_different_sizes_need_a_size(pets):
    put(pets / "dog" / "2.png", np.zeros((5, 7), np.uint8))
    with pytest.raises(InputError, match=r"2\.png: .*5x7.* 3x4; .*data\.image_s"):
        read_folder(pets, STORED)
    assert read_folder(pets, View((3, 3))).train.images.shape == (4, 3, 3, 1)


@pytest.mark.parametrize("read", [read_folder, stream_folder])
def test_splits_of_different_sizes_need_a_size(tmp_path, read):
    for part, pixels in (("train", GREY), ("test", GREY.T)):
        for name in ("a", "b"):
            put(tmp_path / part / name / "x.png", pixels)
    message = r"images differ in size, \(3, 4\) and \(4, 3\); set data\.image_size"
    with pytest.raises(InputError, match=message):
        read(tmp_path, STORED, None)


def test_the_short_side_is_scaled_and_the_centre_cropped(tmp_path):
    stripes = np.zeros((4, 12), np.uint8)
    stripes[:, 4:8] = 200
    for name in ("a", "b"):
        put(tmp_path / name / "wide.png", stripes)
        put(tmp_path / name / "tall.png", stripes.T)
    assert (read_folder(tmp_path, View((4, 4), 4)).train.images == 200).all()
    small = read_folder(tmp_path, View((2, 2), 2)).train.images
    assert small.shape == (4, 2, 2, 1)
    assert (small > 150).all()
    assert (read_folder(tmp_path, View((4, 4))).train.images[0, 0] < 100).all()  # stretched


def test_an_image_that_cannot_be_read_is_named(pets):
    (pets / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cat/0\.png: .*image"):
        read_folder(pets, STORED)


def test_an_image_cut_anywhere_is_named(pets):
    path = pets / "cat" / "1.png"
    whole = path.read_bytes()
    for length in range(0, whole.index(b"IDAT") + 12, 3):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cat/1\.png: .*image"):
            read_folder(pets, STORED)


def test_a_damaged_header_is_named(pets):
    path = pets / "cat" / "1.png"
    data = bytearray(path.read_bytes())
    data[11] = 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"cat/1\.png: .*image"):
        read_folder(pets, STORED)


def test_a_class_without_images_is_named(pets):
    (pets / "emu").mkdir()
    with pytest.raises(InputError, match=r"emu: .*without images"):
        read_folder(pets, STORED)


def test_a_class_missing_from_the_test_split_is_named(pets, tmp_path):
    for name in ("train/a", "train/b", "test/a"):
        put(tmp_path / name / "x.png", GREY)
    with pytest.raises(InputError, match=r"test/b: .*without images"):
        read_folder(tmp_path, STORED)


def test_one_class_is_not_enough(tmp_path):
    put(tmp_path / "cat" / "1.png", GREY)
    with pytest.raises(InputError, match=r"a folder per class, .*1"):
        read_folder(tmp_path, STORED)


def test_a_file_is_no_folder(pets):
    with pytest.raises(InputError, match=r"cat/1\.png"):
        read_folder(pets / "cat" / "1.png", STORED)
