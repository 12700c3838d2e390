"""PSNR and structural similarity against closed forms and scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.tasks.image_quality import psnr_of, squared_errors, structural_similarity

metrics = pytest.importorskip("skimage.metrics")
RANDOM = np.random.default_rng(0)


def test_psnr_in_closed_form():
    assert psnr_of(0.01) == pytest.approx(20)
    assert psnr_of(1.0) == 0
    assert psnr_of(0.0) == np.inf
    assert np.isnan(psnr_of(np.nan))
    errors = squared_errors(jnp.zeros((2, 3, 4, 3)), jnp.array([0.1, 0.5])[:, None, None, None])
    np.testing.assert_allclose(errors, [0.01, 0.25], rtol=1e-6)


@pytest.mark.parametrize("shape", [(11, 11, 1), (20, 31, 3)])
def test_both_are_those_of_scikit_image(shape):
    images = RANDOM.random((2, *shape)).astype(np.float32)
    others = np.clip(images + 0.2 * RANDOM.normal(size=images.shape), 0, 1).astype(np.float32)
    found = structural_similarity(jnp.asarray(images), jnp.asarray(others))
    for index in range(2):
        expected = metrics.structural_similarity(
            images[index].astype(float), others[index].astype(float), data_range=1, channel_axis=-1,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip
        np.testing.assert_allclose(found[index], expected, atol=1e-4)
        error = float(squared_errors(images, others)[index])
        ratio = metrics.peak_signal_noise_ratio(images[index], others[index], data_range=1)
        assert psnr_of(error) == pytest.approx(ratio, abs=1e-3)


def test_an_image_is_like_itself():
    x = jax.random.uniform(jax.random.key(0), (1, 12, 15, 3))
    np.testing.assert_allclose(structural_similarity(x, x), 1, rtol=1e-5)


def test_constant_images_have_the_similarity_of_their_brightness():
    a, b = 0.2, 0.7
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    found = structural_similarity(jnp.full((1, 12, 12, 1), a), jnp.full((1, 12, 12, 1), b))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
