import io

import numpy as np
import pytest
from PIL import Image

from rtickets.errors import InputError
from rtickets.evaluation.pictures import keeper, nowhere, row_of

RNG = np.random.default_rng(0)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture)))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_beside_each_other_pixel_for_pixel(channels):
    images = RNG.integers(0, 256, (3, 4, 5, channels))
    found = pixels(row_of(images / 255)).reshape(4, 17, channels)
    for place, image in enumerate(images):
        np.testing.assert_array_equal(found[:, 6 * place : 6 * place + 5], image)
    assert (found[:, [5, 11]] == 255).all()


def test_other_numbers_of_channels_are_averaged():
    image = np.zeros((1, 2, 2, 4))
    image[..., 0] = 0.8
    assert (pixels(row_of(image)) == 51).all()


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_what_is_no_brightness_is_refused(value):
    images = np.zeros((1, 2, 2, 1))
    images[0, 0, 0] = value
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        row_of(images)


def test_rows_are_kept_by_name_and_written_again(tmp_path):
    names = []
    keep = keeper(tmp_path, names)
    keep("mine.found", np.zeros((1, 2, 2, 1)))
    (tmp_path / "pictures" / "mine.found.png").write_bytes(b"half")
    keeper(tmp_path, [])("mine.found", np.ones((1, 2, 2, 1)))
    assert names == ["mine.found"]
    assert (pixels((tmp_path / "pictures" / "mine.found.png").read_bytes()) == 255).all()
    nowhere("mine.found", None)
