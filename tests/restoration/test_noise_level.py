"""The estimate of noise: right on smooth pictures, close to scikit-image's, honest about limits."""

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.restoration import estimate_noise

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
