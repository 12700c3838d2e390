"""What the places of an image hold goes wherever the pixels go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.augment import Transform

MAPS = np.arange(1, 4 * 8 * 6 + 1).reshape(4, 8, 6).astype(np.uint8)
IMAGES = jnp.asarray(MAPS)[..., None]
KEYS = jax.random.split(jax.random.key(0), 4)


@pytest.mark.parametrize(
    "transform",
    [Transform(), Transform(flip=True), Transform(crop_padding=2), Transform(None, None, 1, True)],
)
def test_a_map_of_the_pixels_themselves_stays_one(transform):
    pixels = np.round(np.asarray(transform.training_input(KEYS, IMAGES))[..., 0] * 255)
    np.testing.assert_array_equal(transform.training_map(KEYS, jnp.asarray(MAPS)), pixels)


def test_places_outside_the_image_are_filled():
    found = Transform(crop_padding=3).training_map(KEYS, jnp.asarray(MAPS), fill=255)
    image = np.asarray(Transform(crop_padding=3).training_input(KEYS, IMAGES))[..., 0]
    np.testing.assert_array_equal(np.asarray(found) == 255, image == 0)
    assert (np.asarray(found) == 255).any()


def test_values_are_moved_and_never_mixed():
    halves = jnp.zeros((2, 8, 8), jnp.uint8).at[:, :, 4:].set(200)
    keys = jax.random.split(jax.random.key(1), 2)
    for transform in (
        Transform((5, 5)),
        Transform((4, 4), resize=6),
        Transform((6, 6), random_crop=(0.3, 1)),
    ):
        for found in (transform.prepare_map(halves), transform.training_map(keys, halves)):
            assert set(np.unique(found)) <= {0, 200}
            assert found.shape == (2, *transform.size)
            assert found.dtype == jnp.uint8
        x = transform.training_input(keys, halves[..., None])[..., 0]
        clear = (x < 0.01) | (x > 199 / 255)  # away from the edge, where pixels are mixed
        moved = transform.training_map(keys, halves) / 255
        assert float(jnp.abs(jnp.where(clear, moved - x, 0)).max()) < 0.01


def test_doubling_repeats_and_halving_takes_every_other():
    big = Transform((16, 12)).prepare_map(jnp.asarray(MAPS))
    np.testing.assert_array_equal(big, MAPS.repeat(2, 1).repeat(2, 2))
    small = Transform((4, 3)).prepare_map(jnp.asarray(MAPS))
    np.testing.assert_array_equal(small, MAPS[:, 1::2, 1::2])


def test_a_map_may_have_channels():
    maps = jnp.stack([jnp.asarray(MAPS), 255 - jnp.asarray(MAPS)], -1)
    found = Transform(crop_padding=1, flip=True).training_map(KEYS, maps)
    one = Transform(crop_padding=1, flip=True).training_map(KEYS, maps[..., 0])
    np.testing.assert_array_equal(found[..., 0], one)
