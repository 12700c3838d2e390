"""Images that stay encoded until they are looked at."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from rtickets import data
from rtickets.config import DataConfig
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View, decode
from rtickets.errors import InputError


@pytest.fixture
def folder(tmp_path, save_image):
    """Two classes of 8 training and 3 test images, of many sizes."""
    for split, count in (("train", 8), ("test", 3)):
        for label, name in enumerate("ab"):
            for number in range(count):
                size = (20 + number, 16 + 2 * label)
                path = tmp_path / split / name / f"{number}.png"
                save_image(path, 60 * label + 10 * number, size)
    return tmp_path


def load(folder, **options):
    config = DataConfig(source="folder", path=str(folder), image_size=8, stream=True, **options)
    return data.load(config)


@pytest.mark.parametrize(
    "options", [{}, {"resize": 10}, {"resize": 9, "interpolation": "bicubic"}], ids=str
)
@pytest.mark.parametrize("stream", [None, False])
def test_a_streamed_folder_has_the_splits_of_one_in_memory(folder, options, stream):
    ours = load(folder, validation_fraction=0.25, **options)
    own = DataConfig(source="folder", path=str(folder), image_size=8, validation_fraction=0.25)
    memory = data.load(dataclasses.replace(own, stream=stream, **options))
    for split in ("train", "validation", "test"):
        mine, theirs = getattr(ours, split), getattr(memory, split)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        assert type(theirs.images) is np.ndarray
        np.testing.assert_array_equal(np.asarray(mine.images), theirs.images)
    assert ours.class_names == memory.class_names == ("a", "b")
    np.testing.assert_allclose(ours.mean, memory.mean)


def test_only_what_is_looked_at_is_decoded(folder):
    images = load(folder).train.images
    chosen = images[np.array([3, 1])][1:]
    assert chosen.shape == (1, 8, 8, 3)
    assert chosen.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(chosen)[0], np.asarray(images)[1])
    assert len(images[::5]) == -(-len(images) // 5)


def test_an_evaluation_scales_the_short_side_and_crops_the_centre(tmp_path, save_image):
    save_image(tmp_path / "wide.png", 90, (40, 20))
    image = decode((tmp_path / "wide.png").read_bytes(), "wide.png")
    for method, theirs in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", 3)):
        seen = View((14, 14), 16, method).evaluation(image)
        expected = image.resize((32, 16), theirs).crop((9, 1, 23, 15))
        np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(View((6, 9)).evaluation(image), image.resize((9, 6), 2))


def test_training_crops_are_a_function_of_their_seed(folder):
    images = load(folder, random_resized_crop=True).train.images
    first, again, other = (images.training(0, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    plain = load(folder).train.images
    np.testing.assert_array_equal(plain.training(0, (1, 2)), plain.evaluation(0))


def test_grey_and_transparent_images_become_colour(tmp_path):
    Image.new("L", (4, 4), 7).save(tmp_path / "grey.png")
    clear = Image.new("RGBA", (4, 4), (1, 2, 3, 255))
    clear.putpixel((3, 3), (1, 2, 3, 0))
    clear.save(tmp_path / "clear.png")
    files = ImageFiles((tmp_path / "grey.png", tmp_path / "clear.png"))
    pixels = np.asarray(streamed(files, View(None), None))
    assert pixels[:, 0, 0].tolist() == [[7, 7, 7], [1, 2, 3]]
    assert pixels[1, 3, 3].tolist() == [255, 255, 255]
    assert np.asarray(streamed(files, View(None, channels=1), None)).shape == (2, 4, 4, 1)


def test_broken_missing_and_odd_images_are_named(tmp_path, save_image):
    paths = tuple(tmp_path / f"{i}.png" for i in range(4))
    for path in paths[:2]:
        save_image(path, 50, (6, 6))
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    save_image(paths[3], 50, (7, 6))
    images = streamed(ImageFiles(paths), View(None), None)
    assert images.evaluation(0).shape == (6, 6, 3)
    with pytest.raises(InputError, match=r"1\.png: .*image"):
        np.asarray(images)
    with pytest.raises(InputError, match=r"2\.png: .*No such file"):
        images.evaluation(2)
    with pytest.raises(InputError, match=r"3\.png: .*6x7.* 6x6; .*data\.image"):
        images.training(3, (0,))
    Image.new("I;16", (6, 6), 7).save(paths[2])
    with pytest.raises(InputError, match=r"2\.png: .* I;16; .*8 bits"):
        images.evaluation(2)


def test_pixels_may_be_scaled_up():
    image = Image.new("L", (3, 3), 1)
    assert View(None, channels=1, factor=255).evaluation(image).max() == 255
