"""What every corruption keeps to."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from corruption_pictures import picture

from rtickets.data.images.corruptions import CORRUPTIONS, SEVERITIES, TABLES, corrupt, read_files
from rtickets.errors import InputError


def _batch(shape: tuple[int, int, int]) -> tuple[jax.Array, jax.Array]:
    image = jnp.asarray(picture(shape), jnp.float32) / 255
    images = jnp.stack([image, image[::-1], image[:, ::-1], image[::-1, ::-1]])
    return images, jax.random.split(jax.random.key(3), 4)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_example_depends_on_its_own_key_and_pixels_alone(frost_files: Path, name: str) -> None:
    images, keys = _batch((16, 20, 3))
    first = corrupt(images, keys, name, 3)
    assert first.shape == images.shape
    assert first.dtype == jnp.float32
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_allclose(first * 255, np.rint(first * 255), atol=1e-4)  # of 8 bits
    assert np.abs(first - images).mean() > 0.01
    others = jnp.array([3, 1, 0, 0])
    again = corrupt(images[others], keys[others], name, 3)
    np.testing.assert_array_equal(again, first[others])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grey_of_few_pixels_is_corrupted(frost_files: Path, name: str) -> None:
    images, keys = _batch((8, 8, 1))
    result = corrupt(images, keys, name, 5)
    assert result.shape == images.shape
    assert result.min() >= 0
    assert result.max() <= 1


# The published constants themselves do not grow: frost keeps less of the picture and adds more ice,
# glass takes turns in how far and how often, the elastic transform of CIFAR-10-C moves corners ever
# less.
UNEVEN = {("glass_blur", "imagenet"), ("glass_blur", "cifar"), ("frost", "imagenet")}
UNEVEN |= {("frost", "cifar"), ("elastic_transform", "cifar")}


def _pink(count: int, side: int) -> jax.Array:
    """Return pictures whose spectrum falls as that of photographs, in 8 bits."""
    random = np.random.RandomState(0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(side)] * 2))[..., None]
    spectrum = np.fft.fft2(random.normal(size=(count, side, side, 3)), axes=(1, 2))
    noise = np.fft.ifft2(spectrum / np.maximum(frequency, 1 / side) ** 1.2, axes=(1, 2)).real
    noise += 2 * noise.mean(-1, keepdims=True)
    return jnp.floor(255 * jnp.clip(0.5 + 0.22 * noise / noise.std(), 0, 1)) / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("table", TABLES)
def test_distance_grows_with_severity(frost_files: Path, name: str, table: str) -> None:
    images, keys = _pink(32, 32), jax.random.split(jax.random.key(0), 32)
    distances = []
    for severity in SEVERITIES:
        corrupted = corrupt(images, keys, name, severity, table)  # type: ignore[arg-type]
        distances.append(float(((corrupted - images) ** 2).mean()))
    assert min(distances) > 1e-4
    if (name, table) not in UNEVEN:
        assert distances == sorted(distances)


def test_there_are_fifteen_in_four_groups_with_five_constants_a_table() -> None:
    groups = [each.group for each in CORRUPTIONS.values()]
    counts = {group: groups.count(group) for group in groups}
    assert counts == {"noise": 3, "blur": 4, "weather": 4, "digital": 4}
    for each in CORRUPTIONS.values():
        assert set(each.constants) == set(TABLES)
        assert all(len(constants) == 5 for constants in each.constants.values())


def test_names_severities_tables_and_images_that_are_none_are_refused() -> None:
    images, keys = _batch((16, 16, 3))
    with pytest.raises(InputError, match=r"'fogg'.*fog"):
        corrupt(images, keys, "fogg", 1)
    for severity in (0, 6):
        with pytest.raises(InputError, match=f"severity={severity}"):
            corrupt(images, keys, "fog", severity)
    with pytest.raises(InputError, match="'mnist'"):
        corrupt(images, keys, "fog", 1, "mnist")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2 channels"):
        corrupt(images[..., :2], keys, "fog", 1)
    with pytest.raises(InputError, match="7x16"):
        corrupt(images[:, :7], keys, "fog", 1)
    with pytest.raises(InputError, match="uint8"):
        corrupt(jnp.zeros((1, 16, 16, 3), jnp.uint8), keys[:1], "fog", 1)


def test_files_are_read_for_those_that_have_any(frost_files: Path) -> None:
    assert read_files("fog", 1, "imagenet", (32, 32, 3)) == ()
    assert len(read_files("frost", 1, "imagenet", (32, 32, 3))) == 1
