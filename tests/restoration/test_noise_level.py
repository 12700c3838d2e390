"""The estimate of noise: right on smooth pictures, close to scikit-image's, honest about limits."""

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.restoration import estimate_noise
from rtickets.restoration.noise_level import noise_variance

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.2])
def test_the_noise_on_a_smooth_picture_is_found(sigma):
    slope = np.linspace(0.3, 0.7, 128)
    picture = (slope[:, None] + slope)[..., None] / 2 * np.ones(3)
    noisy = picture + sigma * RANDOM.normal(size=picture.shape)
    # values outside of [0, 1] are left out as if cut off, which takes a little of strong noise
    assert estimate_noise(noisy) == pytest.approx(sigma, rel=0.08)


def test_it_agrees_with_scikit_image():
    restoration = pytest.importorskip("skimage.restoration")
    pytest.importorskip("pywt")
    noisy = 0.5 + 0.1 * RANDOM.normal(size=(64, 64, 3))
    expected = restoration.estimate_sigma(noisy, channel_axis=-1, average_sigmas=True)
    assert estimate_noise(noisy) == pytest.approx(expected, rel=0.1)


def test_a_picture_without_noise_or_all_cut_off_has_none():
    assert estimate_noise(np.full((32, 32, 1), 0.5)) == pytest.approx(0, abs=1e-12)
    assert estimate_noise(np.ones((32, 32, 1))) == 0
    half = np.concatenate([np.ones((64, 64)), 0.5 + 0.1 * RANDOM.normal(size=(64, 64))], 1)
    assert estimate_noise(np.clip(half, 0, 1)[..., None]) == pytest.approx(0.1, rel=0.15)


def test_tiny_pictures_are_refused():
    with pytest.raises(InputError, match=r"\(8, 40\).*give the noise level"):
        estimate_noise(np.zeros((8, 40, 1)))


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.6])
def test_noise_that_is_cut_off_varies_less(level, sigma):
    draws = level + sigma * np.random.default_rng(0).normal(size=200_000)
    mean = np.clip(draws, 0, 1).mean()
    found = noise_variance(np.full((1, 1, 1), mean), sigma)
    np.testing.assert_allclose(found, np.clip(draws, 0, 1).var(), rtol=0.03)
    assert found.max() <= sigma**2 * (1 + 1e-9)


def test_noise_varies_on_a_picture_that_is_noisy_itself():
    clean = np.linspace(0, 1, 64)[:, None, None] * np.ones((64, 64, 3))
    draws = clean + 0.2 * np.random.default_rng(0).normal(size=(40, *clean.shape))
    noisy = np.clip(draws, 0, 1)
    found = noise_variance(noisy[0], 0.2).mean()
    np.testing.assert_allclose(found, noisy.var(0).mean(), rtol=0.06)
    assert noise_variance(noisy[0], 0.0).max() == 0


def test_missing_pixels_do_not_darken_what_noise_is_on():
    picture = np.full((40, 40, 1), 0.97)
    seen = np.random.default_rng(0).random((40, 40, 1)) > 0.5
    found = noise_variance(picture * seen, 0.2, seen=seen)
    np.testing.assert_allclose(found[seen], noise_variance(picture, 0.2)[seen], rtol=1e-6)
    assert np.isfinite(noise_variance(picture * 0, 0.2, seen=0 * seen)).all()
