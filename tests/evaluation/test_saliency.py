import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.errors import InputError
from rtickets.evaluation.saliency import (
    alignment,
    gradient_pictures,
    input_gradients,
    saliency_pictures,
    smooth_gradients,
)

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(0, 1, (4, 4, 2, 3)).astype(np.float32)
IMAGES = RNG.uniform(0, 1, (6, 4, 4, 2)).astype(np.float32)
LABELS = np.arange(6) % 3
KEYS = jax.random.split(jax.random.key(1), 6)


def logit(weights, x, labels):
    return jnp.einsum("bhwc,hwck->bk", x, weights)[jnp.arange(len(x)), labels]


def squares(x):
    return (x**3).sum((1, 2, 3))


LINEAR = Partial(logit, jnp.asarray(WEIGHTS))


def test_gradients_of_a_linear_model_are_its_weights():
    expected = np.moveaxis(WEIGHTS, -1, 0)[LABELS]
    np.testing.assert_allclose(input_gradients(LINEAR, IMAGES, LABELS), expected, atol=1e-6)
    smooth = smooth_gradients(LINEAR, IMAGES, KEYS, LABELS, sigma=0.3, samples=4)
    np.testing.assert_allclose(smooth, expected, atol=1e-5)


def test_smooth_gradients_are_means_over_the_noise():
    """Of x cubed the gradient 3 x^2 becomes 3 (x^2 + sigma^2)."""
    x = jnp.full((2, 100, 100, 1), 0.5)
    found = smooth_gradients(squares, x, KEYS[:2], sigma=0.2, samples=8).mean((1, 2, 3))
    np.testing.assert_allclose(found, 3 * (0.25 + 0.04), rtol=0.01)
    np.testing.assert_allclose(input_gradients(squares, x), 0.75, rtol=1e-6)
    none = smooth_gradients(squares, x, KEYS[:2], sigma=0.0, samples=1)
    np.testing.assert_array_equal(none, input_gradients(squares, x))


def test_noise_belongs_to_the_image_and_comes_again():
    options = {"sigma": 0.2, "samples": 3}
    whole = smooth_gradients(squares, IMAGES, KEYS, **options)
    np.testing.assert_array_equal(smooth_gradients(squares, IMAGES, KEYS, **options), whole)
    part = smooth_gradients(squares, IMAGES[3:], KEYS[3:], **options)
    np.testing.assert_allclose(part, whole[3:], atol=1e-6)


def test_alignment_is_the_distance_to_the_hyperplane_through_zero():
    gradients = input_gradients(LINEAR, IMAGES, LABELS)
    flat, own = IMAGES.reshape(6, -1), np.asarray(gradients).reshape(6, -1)
    expected = np.abs((flat * own).sum(1)) / np.linalg.norm(own, axis=1)
    np.testing.assert_allclose(alignment(IMAGES, gradients), expected, rtol=1e-5)
    lengths = np.linalg.norm(flat, axis=1)
    np.testing.assert_allclose(alignment(IMAGES, -3 * IMAGES), lengths, rtol=1e-5)
    np.testing.assert_array_equal(alignment(IMAGES, 0 * IMAGES), 0)


def test_grey_is_no_gradient_and_three_deviations_are_black_and_white():
    gradient = np.zeros((1, 10, 10, 1), np.float32)
    gradient[0, 0, :2, 0] = 1, -1  # deviation sqrt(2) / 10
    found = np.asarray(gradient_pictures(jnp.asarray(gradient)))
    assert found[0, 0, :3, 0].tolist() == [1, 0, 0.5]
    both = gradient_pictures(jnp.asarray(RNG.normal(0, 2, (2, 20, 20, 1)), jnp.float32))
    assert float(both.std()) == pytest.approx(1 / 6, rel=0.05)
    np.testing.assert_array_equal(gradient_pictures(jnp.zeros((1, 2, 2, 1))), 0.5)


def test_saliency_is_the_largest_size_over_channels():
    gradient = np.zeros((2, 10, 10, 2), np.float32)
    gradient[0, :5, :, 1], gradient[0, 5:, :, 0] = -2, 1
    found = np.asarray(saliency_pictures(jnp.asarray(gradient)))
    assert found.shape == (2, 10, 10, 1)
    assert found[0, :5].min() == found[0, :5].max() == 1
    assert found[0, 5:].min() == found[0, 5:].max() == 0.5
    assert not found[1].any()  # no gradient at all
    lone = np.zeros((1, 20, 20, 1), np.float32)
    lone[0, 3, 4] = 0.1
    assert saliency_pictures(jnp.asarray(lone))[0, 3, 4, 0] == 1


@pytest.mark.parametrize(
    ("options", "named"), [({"sigma": -1.0}, "sigma"), ({"samples": 0}, "samples")]
)
def test_what_means_nothing_is_refused(options, named):
    with pytest.raises(InputError, match=named):
        smooth_gradients(squares, IMAGES, KEYS, **{"sigma": 0.1, "samples": 1, **options})
