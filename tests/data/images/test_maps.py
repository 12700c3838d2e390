"""What the places of an image hold goes wherever the pixels go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.augment import Transform
from rtickets.tasks import Segmentation

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


def test_a_random_scale_of_one_is_a_crop_and_moves_maps_with_images():
    transform = Transform((5, 4), random_scale=(1, 1))
    pixels = np.asarray(transform.training_input(KEYS, IMAGES))[..., 0] * 255
    places = jax.vmap(lambda key: transform._window(key, (8, 6), (5, 4)))(KEYS)
    whole = jax.vmap(lambda window: jnp.round(window))(places)
    assert (np.asarray(places[:, 2:]) == (5, 4)).all()
    assert (np.asarray(places) >= 0).all()
    assert (np.asarray(places[:, :2] + places[:, 2:]) <= (8, 6)).all()
    found = np.asarray(transform.training_map(KEYS, jnp.asarray(MAPS)))
    for crop, seen, pixel, (top, left, _, _) in zip(found, MAPS, pixels, places, strict=True):
        rows = np.floor(np.arange(5) + 0.5 + float(top)).astype(int)
        columns = np.floor(np.arange(4) + 0.5 + float(left)).astype(int)
        np.testing.assert_array_equal(crop, seen[rows][:, columns])
        # Pixels grow by 6 a row and by 1 a column: bilinear places between them are exact.
        inside = (slice(0, -1), slice(0, -1)) if top > 2.5 else (slice(1, None), slice(1, None))
        exact = seen[0, 0] + 6 * (np.arange(5)[:, None] + float(top)) + np.arange(4) + float(left)
        np.testing.assert_allclose(pixel[inside], exact[inside], atol=0.02)
    assert len(np.unique(np.asarray(whole), axis=0)) > 1


def test_what_lies_outside_a_scaled_image_is_black_and_filled():
    images, maps = jnp.full((64, 8, 8, 1), 255, jnp.uint8), jnp.ones((64, 8, 8), jnp.uint8)
    keys = jax.random.split(jax.random.key(2), 64)
    transform = Transform((8, 8), random_scale=(0.5, 2), flip=True)
    pixels = np.asarray(transform.training_input(keys, images))[..., 0]
    found = np.asarray(transform.training_map(keys, maps, fill=255))
    np.testing.assert_allclose(pixels, found == 1, atol=1e-5)
    # A scaled image has between a quarter of the places and all of them.
    share = (found == 1).mean((1, 2))
    assert 0.2 < share.min() < 0.5
    assert share.max() == 1
    assert 0.4 < (share == 1).mean() < 0.9  # two thirds of the factors are 1 and more


def test_a_random_scale_is_a_factor_between_its_ends():
    keys = jax.random.split(jax.random.key(3), 500)
    transform = Transform((16, 12), random_scale=(0.5, 2))
    windows = np.asarray(jax.vmap(lambda key: transform._window(key, (8, 6), (16, 12)))(keys))
    factor = np.array([16, 12]) / windows[:, 2:]
    np.testing.assert_allclose(factor[:, 0], factor[:, 1], rtol=1e-5)
    assert 0.5 <= factor.min() < 0.55
    assert 1.95 < factor.max() <= 2
    assert abs(factor.mean() - 1.25) < 0.06


def test_boxes_follow_a_random_scale():
    maps = np.zeros((64, 12, 12), np.uint8)
    maps[:, 3:8, 4:10] = 1
    boxes = jnp.tile(jnp.array([[[3.0, 4.0, 8.0, 10.0]]]), (64, 1, 1))
    keys = jax.random.split(jax.random.key(5), 64)
    transform = Transform((24, 24), random_scale=(1.5, 4), flip=True)
    moved = np.asarray(transform.training_map(keys, jnp.asarray(maps)))
    found = np.asarray(transform.training_boxes(keys, boxes, (12, 12, 1)))[:, 0]
    for seen, (top, left, bottom, right) in zip(moved == 1, found, strict=True):
        if not bottom > top:  # too little of it lies inside
            continue
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        edges = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
        np.testing.assert_allclose(edges, [top, left, bottom, right], atol=0.51)
    assert (found[:, 2] > found[:, 0]).mean() > 0.5


def test_a_random_scale_cuts_inside_of_what_lies_on_a_canvas():
    """An image of 8x5 in the corner of 12x12: where it is as large as the crop none is outside."""
    maps = np.full((64, 12, 12), 255, np.uint8)
    maps[:, :8, :5] = 1
    images = jnp.asarray(np.where(maps == 1, 255, 0)[..., None].astype(np.uint8))
    keys = jax.random.split(jax.random.key(7), 64)
    extents = jnp.tile(jnp.array([[8, 5]]), (64, 1))
    transform = Transform((5, 5), random_scale=(1, 2), flip=True)
    found = np.asarray(transform.training_map(keys, jnp.asarray(maps), 255, extents))
    assert (found == 1).all()
    pixels = np.asarray(transform.training_input(keys, images, extents))[..., 0]
    assert (pixels[:, 1:-1, 1:-1] > 0.5).all()
    outside = np.asarray(transform.training_map(keys, jnp.asarray(maps), 255)) == 255
    assert outside.mean() > 0.1


def test_a_segmentation_trains_inside_of_images_on_canvases():
    maps = np.full((2, 12, 12), 255, np.uint8)
    maps[0, :8, :5] = 1
    maps[0, 7] = 255  # what does not count at the rim of an image is as if outside
    images = jnp.zeros((2, 12, 12, 3), jnp.uint8)
    transform = Transform((5, 5), random_scale=(1, 1))
    batch = {"image": images, "mask": jnp.asarray(maps)}
    keys = jax.random.split(jax.random.key(9), 2)
    found = np.asarray(Segmentation().augment(transform, keys, batch)["mask"])
    assert (found[0] == 1).all()
    assert (found[1] == 255).all()  # nothing counts: anywhere
