"""JPEG pictures against files that Pillow writes and reads."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from rtickets.data.images.corruptions.jpeg import jpeg_compression


def _waves(height: int, width: int, channels: int) -> np.ndarray:
    y, x, c = np.mgrid[:height, :width, :channels]
    waves = np.sin(x / 3 + c) * np.cos(y / 4 - 2 * c) + 0.3 * np.sin((x + y) * (c + 1))
    return np.clip(128 + 110 * waves, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "channels", "quality"), [(33, 29, 3, 25), (24, 50, 3, 90), (20, 27, 1, 7)]
)
def test_pictures_of_any_size_are_those_of_a_file(
    height: int, width: int, channels: int, quality: int
) -> None:
    pixels = _waves(height, width, channels)
    file = io.BytesIO()
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        expected = np.asarray(image).reshape(pixels.shape)
    image = jnp.asarray(pixels, jnp.float32) / 255
    result = jax.jit(lambda image: jpeg_compression(image, quality, ()))(image) * 255
    distance = abs(np.asarray(result) - expected)
    assert distance.max() <= 1.01
    assert (distance > 0.01).mean() <= 0.003
