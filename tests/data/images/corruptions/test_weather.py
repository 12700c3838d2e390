"""Snow, fog and brightness in closed form."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.corruptions.blur import Motion
from rtickets.data.images.corruptions.weather import (
    FOG,
    Flakes,
    Fog,
    Snow,
    brightness,
    fog,
    plasma,
    snow,
)


def test_brightness_adds_to_the_value_of_hsv() -> None:
    image = np.random.RandomState(0).uniform(size=(4, 5, 3)).astype(np.float32)
    image[0, 0] = 0  # no hue
    image[0, 1] = (1, 0.2, 0.2)
    for pixel, result in zip(
        image.reshape(-1, 3), brightness(jnp.asarray(image), 0.3, ()).reshape(-1, 3), strict=True
    ):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel.astype(float))
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1))
        np.testing.assert_allclose(result, expected, atol=1e-5)
    grey = jnp.asarray(image[..., :1])
    np.testing.assert_allclose(brightness(grey, 0.3, ()), np.clip(grey + 0.3, 0, 1), atol=1e-6)


def test_fog_of_no_amount_is_none_and_much_of_it_hides_the_picture() -> None:
    image = jax.random.uniform(jax.random.key(0), (32, 32, 3))
    drawn = jax.jit(lambda key: FOG.draws(key, image.shape, None))(jax.random.key(1))
    foggy = jax.jit(fog, static_argnums=1)
    np.testing.assert_allclose(foggy(image, Fog(0, 2), drawn), image, atol=1e-6)
    hidden = foggy(image, Fog(1e4, 2), drawn)
    expected = image.max() * jax.jit(plasma)(drawn, 2.0)
    np.testing.assert_allclose(hidden, np.repeat(expected[..., None], 3, -1), atol=1e-3)


def test_the_plasma_without_randomness_but_in_the_first_step_is_an_average() -> None:
    zero = [tuple(jnp.zeros((3, 2**level, 2**level))) for level in range(2)]
    zero[0] = (jnp.ones((1, 1)), zero[0][1], zero[0][2])  # raises the centre of the torus alone
    heights = np.asarray(jax.jit(plasma)(tuple(zero), 2.0))
    assert heights.shape == (4, 4)
    np.testing.assert_allclose(heights[::2, ::2], [[0, 0.5], [0.5, 1]], atol=1e-6)
    assert heights[1, 1] == pytest.approx((0 + 0.5 + 0.5 + 1) / 4)


def test_snow_without_flakes_makes_a_picture_paler() -> None:
    image = jax.random.uniform(jax.random.key(0), (16, 16, 3))
    drawn = Flakes(jnp.zeros((16, 16)), jnp.float32(-90))
    result = jax.jit(snow, static_argnums=1)(image, Snow(0, 1, 2, 0.5, Motion(4, 2), 0.7), drawn)
    luma = (image * jnp.array([0.299, 0.587, 0.114])).sum(-1, keepdims=True)
    expected = 0.7 * image + 0.3 * jnp.maximum(image, 1.5 * luma + 0.5)
    np.testing.assert_allclose(result, np.clip(expected, 0, 1), atol=1e-5)
