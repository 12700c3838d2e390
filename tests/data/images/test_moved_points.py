"""Points move with their images, whatever is done to these."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.augment import Transform
from rtickets.data.images.moved_points import area_of, frame_of, prepared, trained, with_corners

SHAPE = (24, 36, 1)
TRANSFORMS = {
    "nothing": Transform(),
    "stretched": Transform(size=(30, 20)),
    "centre": Transform(size=(16, 16), resize=20),
    "padded": Transform(crop_padding=3, flip=True),
    "cropped": Transform(size=(20, 28), random_crop=(0.6, 1.0), flip=True),
    "scaled": Transform(size=(24, 24), random_scale=(0.7, 1.5), flip=True),
}


def blobs(count=6):
    """Return images with a smooth hill each, and where its middle lies."""
    rng = np.random.default_rng(0)
    points = rng.uniform([8, 10], [16, 26], (count, 1, 2)).astype(np.float32)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    away = (rows - points[:, :1, 0, None]) ** 2 + (columns - points[:, :1, 1, None]) ** 2
    images = np.rint(255 * np.exp(-away / 12)).astype(np.uint8)[..., None]
    return images, points


def middles(images):
    """Return the mean place of what is bright, in pixels."""
    weights = np.asarray(images)[..., 0] ** 2
    rows, columns = np.mgrid[: weights.shape[1], : weights.shape[2]] + 0.5
    total = weights.sum((1, 2))
    return np.stack([(weights * each).sum((1, 2)) / total for each in (rows, columns)], -1)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_point_stays_on_what_it_is_on(name):
    transform, (images, points) = TRANSFORMS[name], blobs()
    keys = jax.random.split(jax.random.key(3), len(images))
    seen, where = transform.prepare(images), prepared(transform, points, SHAPE)
    trained_on = transform.training_input(keys, images)
    moved, flipped = trained(transform, keys, points, SHAPE)
    size = trained_on.shape[1:3]
    for looked, at in ((seen, where), (trained_on, moved)):
        inside = ((at[:, 0] > 4) & (at[:, 0] < np.array(size) - 4)).all(-1)
        assert inside.sum() >= 2
        np.testing.assert_allclose(at[:, 0][inside], middles(looked)[inside], atol=0.35)
    assert bool(flipped.any()) == transform.flip


def test_frames_and_areas_are_those_of_the_corners():
    transform = TRANSFORMS["centre"]
    corners = prepared(transform, with_corners(np.zeros((1, 0, 2)), SHAPE), SHAPE)
    # 24x36 becomes 20x30, of which the middle 16x16 is cut out
    np.testing.assert_allclose(frame_of(corners), [[-2, -7, 20, 30]], rtol=1e-6)
    turned = corners[..., ::-1] * jnp.array([1.0, -1.0])
    for each in (corners, turned):
        np.testing.assert_allclose(area_of(each), [600], rtol=1e-6)
