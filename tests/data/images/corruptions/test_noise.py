"""Noise has the mean, deviation and shares that it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rtickets.data.images.corruptions.noise import (
    gaussian_noise,
    impulse_noise,
    poisson_quantile,
    shot_noise,
)


def test_gaussian_noise_has_its_mean_and_deviation() -> None:
    normal = jax.random.normal(jax.random.key(0), (100, 100, 3))
    noise = gaussian_noise(jnp.full((100, 100, 3), 0.5), 0.08, normal) - 0.5
    assert abs(float(noise.mean())) < 4 * 0.08 / 30_000**0.5
    assert float(noise.std()) == pytest.approx(0.08, rel=0.02)


def test_counts_are_the_quantiles_that_scipy_has() -> None:
    random = np.random.RandomState(0)
    mean = np.concatenate([[0, 1e-3, 500], random.uniform(0, 500, 3000)]).astype(np.float32)
    probability = random.uniform(size=mean.shape).astype(np.float32)
    counts = jax.jit(poisson_quantile, static_argnums=2)(probability, mean, 500.0)
    expected = np.maximum(stats.poisson.ppf(probability, mean), 0)
    wrong = np.flatnonzero(counts != expected)
    assert len(wrong) <= 3  # at the border of two counts
    assert abs(np.asarray(counts) - expected).max() <= 1


def test_shot_noise_keeps_the_mean_and_leaves_black_alone() -> None:
    uniform = jax.random.uniform(jax.random.key(1), (100, 100, 3))
    counted = jax.jit(shot_noise, static_argnums=1)
    noisy = counted(jnp.full((100, 100, 3), 0.3), 60, uniform)
    assert float(noisy.mean()) == pytest.approx(0.3, abs=0.002)
    assert float(noisy.var()) == pytest.approx(0.3 / 60, rel=0.05)
    assert counted(jnp.zeros((100, 100, 3)), 3, uniform).max() == 0


def test_impulses_hit_their_share_half_of_it_white() -> None:
    uniform = jax.random.uniform(jax.random.key(2), (2, 100, 100, 3))
    hit = impulse_noise(jnp.full((100, 100, 3), 0.5), 0.27, uniform)
    assert float((hit == 1).mean()) == pytest.approx(0.135, abs=0.01)
    assert float((hit == 0).mean()) == pytest.approx(0.135, abs=0.01)
    assert float((hit == 0.5).mean()) == pytest.approx(0.73, abs=0.01)
