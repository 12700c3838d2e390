import jax
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from rtickets.data.images import colour

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.integers(0, 256, (16, 20, 3), dtype=np.uint8)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (colour.brightness, ImageEnhance.Brightness),
        (colour.contrast, ImageEnhance.Contrast),
        (colour.saturation, ImageEnhance.Color),
    ],
)
def test_changes_are_those_of_image_libraries(ours, theirs, factor):
    expected = np.asarray(theirs(Image.fromarray(IMAGE)).enhance(factor), np.float32) / 255
    found = ours(np.float32(IMAGE) / 255, factor)
    assert np.abs(found - expected).max() < 2 / 255


def test_jitter_of_no_strength_is_the_identity_and_of_some_is_not():
    image = np.float32(IMAGE) / 255
    np.testing.assert_allclose(colour.jitter(jax.random.key(0), image, 0.0), image, atol=1e-6)
    first, second = (np.asarray(colour.jitter(jax.random.key(k), image, 0.1)) for k in (0, 1))
    assert np.abs(first - image).max() > 0.01
    assert np.abs(first - second).max() > 0.01
    assert np.abs(first - image).max() < 0.4
    assert first.min() >= 0
    assert first.max() <= 1


def test_jitter_applies_the_three_changes_in_any_order():
    image = np.float32(IMAGE) / 255
    changes = (colour.brightness, colour.contrast, colour.saturation)
    orders = set()
    for seed in range(40):
        key = jax.random.key(seed)
        factor_key, order_key = jax.random.split(key)
        factors = jax.random.uniform(factor_key, (3,), minval=0.5, maxval=1.5)
        order = tuple(jax.random.permutation(order_key, 3).tolist())
        expected = image
        for index in order:
            expected = changes[index](expected, factors[index])
        if order not in orders:
            np.testing.assert_allclose(colour.jitter(key, image, 0.5), expected, atol=1e-6)
        orders.add(order)
    assert len(orders) == 6


def test_lighting_adds_one_colour_with_the_variance_of_the_components():
    grey = np.full((2, 2, 3), 0.5, np.float32)
    keys = jax.random.split(jax.random.key(0), 4000)
    moved = np.asarray(jax.vmap(lambda key: colour.lighting(key, grey, 0.1))(keys)) - 0.5
    assert np.ptp(moved, axis=(1, 2)).max() == 0
    values, vectors = np.array(colour._EIGENVALUES), np.array(colour._EIGENVECTORS)
    expected = (vectors * (0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(moved[:, 0, 0].T), expected, atol=3e-5)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)
