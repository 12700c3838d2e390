"""Contrast, pixelation and elastic transforms in closed form."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.data.images.corruptions.digital import (
    Displacements,
    Elastic,
    Pixels,
    contrast,
    elastic_transform,
    pixelate,
)


def test_contrast_scales_the_distance_from_the_mean_of_a_channel() -> None:
    image = jax.random.uniform(jax.random.key(0), (8, 9, 3))
    result = contrast(image, 0.4, ())
    np.testing.assert_allclose(result.mean((0, 1)), image.mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(result.std((0, 1)), 0.4 * image.std((0, 1)), rtol=1e-4)


def test_pixelation_to_a_quarter_is_the_mean_of_blocks() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (16, 16, 3))
    result = pixelate(jnp.asarray(pixels / 255, jnp.float32), Pixels(0.25, False), ())
    rows = np.floor(pixels.reshape(16, 4, 4, 3).mean(2) + 0.5)
    means = np.floor(rows.reshape(4, 4, 4, 3).mean(1) + 0.5)
    expected = means.repeat(4, 0).repeat(4, 1)
    np.testing.assert_allclose(result * 255, expected, atol=1e-4)


def test_displacements_and_corners_move_pixels_where_they_say() -> None:
    image = jax.random.uniform(jax.random.key(0), (12, 12, 1))
    nowhere, corners = jnp.zeros((12, 12)), jnp.zeros((3, 2))
    right = jnp.ones((12, 12)) / 4
    drawn = Displacements(corners, right, nowhere)
    moved_by = jax.jit(elastic_transform, static_argnums=1)
    result = moved_by(image, Elastic(4, 0.5, 2, 0, False), drawn)
    np.testing.assert_allclose(result[:, :-2], image[:, 2:], atol=1e-5)
    moved = jnp.tile(jnp.array([0.5, 0.25]), (3, 1))
    drawn = Displacements(moved, nowhere, nowhere)
    result = moved_by(image, Elastic(0, 0, 1, 4, False), drawn)
    np.testing.assert_allclose(result[1:, 2:], image[:-1, :-2], atol=1e-5)
