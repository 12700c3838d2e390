"""The bound, certified radii and predictions, by closed forms and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial
from scipy.stats import beta, binomtest, norm

from rtickets.attacks import example_keys
from rtickets.evaluation.smoothing import (
    ABSTAIN,
    certify,
    noisy_counts,
    predict,
    probability_bound,
)
from tests.evaluation.smoothing.conftest import KEY, LINEAR, SHAPE, at_distances, linear


def constant(x):
    return jnp.tile(jnp.array([0.0, 1.0, 0.5]), (len(x), 1))


def coin(x):
    """Two classes of probability 1/2 each, whatever the image."""
    noise = x[:, 0, 0, 0] - x[:, 0, 1, 0]
    return jnp.stack([noise, -noise], -1)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([1e-4, 0.001, 0.05, 0.5]))
def test_the_bound_is_scipys_exact_interval(trials, share, alpha):
    successes = round(share * trials)
    test = binomtest(successes, trials, alternative="greater")
    expected = test.proportion_ci(confidence_level=1 - alpha, method="exact").low
    bound = probability_bound(np.array([successes]), trials, alpha)
    np.testing.assert_allclose(bound, [expected], rtol=1e-7, atol=1e-12)


def test_the_bound_of_the_literature():
    # Clopper-Pearson, one-sided at 97.5%: the lower ends of the two-sided 95% intervals.
    bound = probability_bound(np.array([0, 1, 5, 9, 10]), 10, 0.025)
    np.testing.assert_allclose(bound, [0, 0.0025, 0.1871, 0.5550, 0.6915], atol=5e-5)


@pytest.mark.parametrize(("trials", "alpha"), [(1, 0.3), (100, 0.001), (100_000, 0.001)])
def test_the_bound_when_all_samples_agree(trials, alpha):
    bound = probability_bound(np.array([trials]), trials, alpha)
    assert bound[0] == pytest.approx(alpha ** (1 / trials), rel=1e-12)


def test_all_samples_agree_on_a_constant_model():
    x = at_distances([0.1, 0.2])
    certificates = certify(constant, x, KEY, sigma=0.5, num_classes=3, samples=1000)
    np.testing.assert_array_equal(certificates.prediction, [1, 1])
    expected = 0.5 * norm.ppf(0.001 ** (1 / 1000))
    np.testing.assert_allclose(certificates.radius, expected, rtol=1e-9)
    assert certificates.prediction.dtype == np.int32
    assert certificates.radius.dtype == np.float64


def test_no_radius_of_the_paper_s_setting_exceeds_3_8_sigma():
    # The curves of Cohen et al. 2019 for sigma = 0.25, 0.5 and 1 end at this multiple of it.
    assert norm.ppf(probability_bound(100_000, 100_000, 0.001)) == pytest.approx(3.81, abs=0.005)


def test_counts_of_a_linear_model_have_the_true_probability():
    distances, sigma, samples = np.array([0.02, 0.1, 0.25, 0.4]), 0.25, 2000
    counts = noisy_counts(
        LINEAR, at_distances(distances), KEY, sigma=sigma, num_classes=2, samples=samples
    )
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts.sum(-1), samples)
    p_values = [
        binomtest(int(count), samples, norm.cdf(distance / sigma)).pvalue
        for count, distance in zip(counts[:, 0], distances, strict=True)
    ]
    assert min(p_values) > 1e-3


def test_the_radius_is_that_of_the_counts_by_hand():
    x, sigma, samples, alpha = at_distances([0.1, 0.2, -0.3]), 0.25, 500, 0.01
    certificates = certify(LINEAR, x, KEY, sigma=sigma, num_classes=2, samples=samples, alpha=alpha)
    estimation = jax.vmap(jax.random.split)(example_keys(KEY, 3))[:, 1]
    counts = noisy_counts(LINEAR, x, estimation, sigma=sigma, num_classes=2, samples=samples)
    np.testing.assert_array_equal(certificates.prediction, [0, 0, 1])
    for index, radius in enumerate(certificates.radius):
        count = counts[index, certificates.prediction[index]]
        expected = sigma * norm.ppf(beta.ppf(alpha, count, samples - count + 1))
        assert radius == pytest.approx(expected, rel=1e-9)


def test_the_radius_exceeds_the_distance_as_rarely_as_promised():
    # At alpha = 0.1 a share of just under 0.1 fails; a two-sided bound would fail half as often.
    distance, alpha = 0.1, 0.1
    x = at_distances(np.full(400, distance))
    radius = certify(LINEAR, x, KEY, sigma=0.25, num_classes=2, samples=400, alpha=alpha).radius
    failures = int((radius > distance).sum())
    assert binomtest(failures, 400, alpha, alternative="greater").pvalue > 0.01
    assert failures > 27
    assert radius.mean() == pytest.approx(distance, abs=0.03)


def test_more_samples_bring_the_radius_closer_to_the_distance():
    distances = np.array([0.1, 0.2, 0.3])
    radii = [
        certify(LINEAR, at_distances(distances), KEY, sigma=0.25, num_classes=2, samples=n).radius
        for n in (100, 1000, 10_000)
    ]
    gaps = distances - np.array(radii)
    assert (gaps > 0).all()
    assert (gaps[1:] < gaps[:-1]).all()
    assert (gaps[-1] < 0.03).all()


def test_a_coin_is_never_certified():
    x = np.full((20, 1, 2, 1), 0.5, np.float32)
    certificates = certify(coin, x, KEY, sigma=0.5, num_classes=2, samples=500)
    np.testing.assert_array_equal(certificates.prediction, ABSTAIN)
    np.testing.assert_array_equal(certificates.radius, 0)
    labels = predict(coin, x, KEY, sigma=0.5, num_classes=2, samples=500)
    np.testing.assert_array_equal(labels, ABSTAIN)


def test_too_few_samples_abstain():
    # alpha^(1 / n) <= 1 / 2 for n <= 9 at alpha = 0.001.
    x = at_distances([0.1])
    for samples, prediction in ((9, ABSTAIN), (10, 1)):
        certificates = certify(constant, x, KEY, sigma=0.5, num_classes=3, samples=samples)
        assert certificates.prediction[0] == prediction
        assert (certificates.radius[0] > 0) == (prediction != ABSTAIN)


def test_the_class_is_chosen_from_other_noise_than_the_bound():
    # One copy chooses by the sign of its noise; the bound must not see that very copy again.
    x = np.full((200, 1, 2, 1), 0.5, np.float32)
    certificates = certify(
        coin, x, KEY, sigma=0.5, num_classes=2, selection_samples=1, samples=1, alpha=0.9
    )
    assert 60 < (certificates.prediction != ABSTAIN).sum() < 140


def test_nan_counts_for_no_class():
    def sometimes_nan(x):
        return jnp.where(x[:, 0, 0] > 0.5, jnp.nan, jnp.array([1.0, 0.0]))

    x = np.full((1, 1, 1, 1), 0.5, np.float32)
    counts = noisy_counts(sometimes_nan, x, KEY, sigma=0.5, num_classes=2, samples=400)
    assert 150 < counts[0, 0] < 250
    assert counts[0, 1] == 0
    everywhere = predict(
        lambda x: jnp.full((len(x), 2), jnp.nan), x, KEY, sigma=0.5, num_classes=2, samples=5
    )
    assert everywhere[0] == ABSTAIN


def test_predict_is_the_two_sided_test_of_the_top_two():
    weights = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    model = Partial(linear, weights)
    x = np.random.default_rng(2).uniform(size=(24, *SHAPE)).astype(np.float32)
    options = {"sigma": 0.5, "num_classes": 4, "samples": 60}
    counts = noisy_counts(model, x, KEY, **options)
    labels = predict(model, x, KEY, alpha=0.05, **options)
    for row, label in zip(counts, labels, strict=True):
        second, first = sorted(row)[-2:]
        sure = binomtest(int(first), int(first + second), 0.5).pvalue <= 0.05
        assert label == (row.argmax() if sure else ABSTAIN)
    assert (labels == ABSTAIN).any()
    assert (labels != ABSTAIN).any()
