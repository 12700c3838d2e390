"""Frost reads its textures where they are, and says where they could be."""

from pathlib import Path

import jax
import numpy as np
import pytest
from corruption_pictures import textures

from rtickets.data.images.corruptions.corruption import Shape
from rtickets.data.images.corruptions.frost import FROST, frost, read_textures
from rtickets.data.images.corruptions.registry import corrupt
from rtickets.errors import InputError


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    keys = jax.random.split(jax.random.key(0), 1)
    with pytest.raises(InputError, match=r"pip install .*imagecorruptions==1\.1\.2"):
        corrupt(np.zeros((1, 32, 32, 3), np.float32), keys, "frost", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(32, 32, 3), (300, 100, 3)])
def test_textures_are_larger_than_the_picture(frost_files: Path, shape: Shape) -> None:
    read = read_textures(shape, FROST.constants["imagenet"][0])
    for texture, size in zip(textures(), read.sizes, strict=True):
        needed = max(1, shape[0] / texture.shape[0], shape[1] / texture.shape[1])
        np.testing.assert_array_equal(size, np.ceil(1.1 * needed * np.array(texture.shape[:2])))
    small = read_textures((32, 32, 3), FROST.constants["cifar"][0])
    assert (small.sizes[0] == (50, 42)).all()


def test_the_picture_and_the_texture_are_added(frost_files: Path) -> None:
    constant = FROST.constants["imagenet"][2]
    read = read_textures((20, 20, 3), constant)
    drawn = jax.jit(lambda key: FROST.draws(key, (20, 20, 3), constant))(jax.random.key(5))
    black = np.zeros((20, 20, 3), np.float32)
    laid = jax.jit(frost, static_argnums=1)
    layer = laid(black, constant, drawn, read)
    top, left = (int(u * room) for u, room in zip(
        (drawn.down, drawn.across), read.sizes[drawn.texture] - 20, strict=True
    ))  # fmt: skip
    window = read.pixels[drawn.texture, top : top + 20, left : left + 20] / 255
    np.testing.assert_allclose(layer, constant.frost * window, atol=1e-6)
    white = laid(black + 1, constant, drawn, read)
    np.testing.assert_allclose(white, np.clip(constant.kept + layer, 0, 1), atol=1e-6)
