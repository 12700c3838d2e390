import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial
from scipy.stats import beta, binomtest, norm

from rtickets import models
from rtickets.attacks import example_keys
from rtickets.errors import InputError
from rtickets.evaluation import noise
from rtickets.evaluation.smoothing import (
    ABSTAIN,
    Certificates,
    certified_right,
    certify,
    noisy_counts,
    predict,
    probability_bound,
)
from rtickets.platform import parallel

KEY = jax.random.key(7)
SHAPE = (3, 3, 1)
WEIGHTS = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
WEIGHTS -= WEIGHTS.mean(0)  # so that a grey image lies on the boundary
NORMAL = WEIGHTS[:, 0] - WEIGHTS[:, 1]  # of the boundary between the two classes


def linear(weights, x):
    return x.reshape(len(x), -1) @ weights


LINEAR = Partial(linear, WEIGHTS)


def at_distances(distances):
    """Return images of class 0 at signed L2 distances from the boundary of the linear model."""
    x = 0.5 + np.outer(distances, NORMAL / np.linalg.norm(NORMAL))
    return x.reshape(-1, *SHAPE).astype(np.float32)


def constant(x):
    return jnp.tile(jnp.array([0.0, 1.0, 0.5]), (len(x), 1))


def coin(x):
    """Two classes of probability 1/2 each, whatever the image."""
    noise = x[:, 0, 0, 0] - x[:, 0, 1, 0]
    return jnp.stack([noise, -noise], -1)


# --- the bound ---------------------------------------------------------------------------------


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


# --- certify -----------------------------------------------------------------------------------


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


# --- predict -----------------------------------------------------------------------------------


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


# --- how it is computed ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cnn(tiny):
    def logits(params, batch_stats, x):
        return models.logits(tiny.model, params, batch_stats, x)

    return logits


@pytest.mark.parametrize("batch_size", [1, 7, 12, 64])
def test_counts_do_not_depend_on_the_batch_size(batch_size):
    x = at_distances([0.02, 0.1, 0.3])
    options = {"sigma": 0.25, "num_classes": 2, "samples": 12}
    expected = noisy_counts(LINEAR, x, KEY, batch_size=36, **options)
    counts = noisy_counts(LINEAR, x, KEY, batch_size=batch_size, **options)
    np.testing.assert_array_equal(counts, expected)


def test_an_image_does_not_depend_on_the_others():
    x, keys = at_distances([0.02, 0.1, 0.3]), jax.random.split(KEY, 3)
    options = {"sigma": 0.25, "num_classes": 2, "samples": 200}
    whole = certify(LINEAR, x, keys, **options)
    part = certify(LINEAR, x[1:2], keys[1:2], **options)
    assert (whole.prediction[1], whole.radius[1]) == (part.prediction[0], part.radius[0])
    counts = noisy_counts(LINEAR, x[[0, 0]], keys[:2], **options)
    assert (counts[0] != counts[1]).any()  # same image, other key


def test_more_copies_continue_the_same_noise():
    x = at_distances([0.1])
    few = noisy_counts(LINEAR, x, KEY, sigma=0.25, num_classes=2, samples=30)
    more = noisy_counts(LINEAR, x, KEY, sigma=0.25, num_classes=2, samples=40)
    assert ((more - few) >= 0).all()
    assert (more - few).sum() == 10


def test_a_network_of_the_package_compiles_once(tiny, cnn, monkeypatch):
    compiled, programs = noise._compiled, []

    def remember(*args):
        programs.append(compiled(*args))
        return programs[-1]

    monkeypatch.setattr(noise, "_compiled", remember)
    x = np.asarray(tiny.split.images[:3], np.float32) / 255
    options = {"num_classes": 3, "selection_samples": 5, "samples": 21, "batch_size": 8}
    before = certify(
        Partial(cnn, tiny.params, tiny.batch_stats), x, KEY, sigma=0.1, alpha=0.01, **options
    )
    other = jax.tree.map(lambda leaf: -leaf, tiny.params)
    spread = parallel.replicate((other, tiny.batch_stats), parallel.local_devices(2))
    after = certify(Partial(cnn, *spread), x, KEY, sigma=0.2, **options)
    assert len(programs) >= 2
    made = [each.run for program in set(programs) for each in program.programs.values()]
    assert [run._cache_size() for run in made] == [1]
    assert (before.prediction != after.prediction).any()


def test_a_network_counts_as_it_predicts_without_much_noise(tiny, cnn):
    x = np.asarray(tiny.split.images[:4], np.float32) / 255
    model = Partial(cnn, tiny.params, tiny.batch_stats)
    counts = noisy_counts(model, x, KEY, sigma=1e-6, num_classes=3, samples=3, batch_size=5)
    expected = models.logits(tiny.model, tiny.params, tiny.batch_stats, x).argmax(-1)
    np.testing.assert_array_equal(counts, 3 * np.eye(3, dtype=int)[expected])


def test_images_and_weights_may_lie_on_different_devices():
    x = at_distances([0.02, 0.1])
    options = {"sigma": 0.25, "num_classes": 2, "samples": 50}
    expected = noisy_counts(LINEAR, x, KEY, **options)
    model = Partial(linear, jax.device_put(WEIGHTS, jax.devices()[1]))
    counts = noisy_counts(model, jax.device_put(x, jax.devices()[3]), KEY, **options)
    np.testing.assert_array_equal(counts, expected)


def test_one_image_of_one_pixel_and_one_copy():
    x = np.full((1, 1, 1, 1), 0.5, np.float32)

    def model(x):
        return jnp.concatenate([x[:, 0, 0], 1 - x[:, 0, 0]], -1)

    counts = noisy_counts(model, x, KEY, sigma=0.5, num_classes=2, samples=1)
    assert counts.shape == (1, 2)
    assert counts.sum() == 1


# --- the curve ---------------------------------------------------------------------------------


def test_what_is_certified_by_hand():
    certificates = Certificates(np.array([0, 1, 2, ABSTAIN]), np.array([0.5, 0.25, 1.0, 0.0]))
    labels = np.array([0, 1, 0, 3])  # right, right, wrong, abstained
    curve = certified_right(certificates, labels, [0.0, 0.25, 0.3, 0.5, 0.6])
    assert [np.flatnonzero(right).tolist() for right in curve] == [[0, 1], [0, 1], [0], [0], []]
    assert {right.shape for right in curve} == {(4,)}


def test_abstaining_is_never_correct():
    certificates = Certificates(np.array([ABSTAIN]), np.array([0.0]))
    assert not certified_right(certificates, np.array([ABSTAIN]), [0.0])[0].any()


# --- input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": 0.0}, "sigma=0.0 .*above 0"),
        ({"sigma": -1.0}, "sigma=-1.0"),
        ({"sigma": float("nan")}, "sigma=nan"),
        ({"sigma": float("inf")}, "sigma=inf"),
        ({"sigma": 64}, "sigma=64 .*64/255"),
        ({"samples": 0}, "samples=0 .*at least 1"),
        ({"samples": 1e4}, "samples=10000.0 .*integer"),
        ({"selection_samples": 0}, "selection_samples=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"alpha": 0.0}, "alpha=0.0 .*0 and 1"),
        ({"alpha": 1.0}, "alpha=1.0"),
        ({"num_classes": 1}, "num_classes=1 .*at least 2"),
        ({"x": np.zeros((1, *SHAPE), np.uint8)}, "uint8; .*255"),
        ({"x": np.full((1, *SHAPE), 1.5, np.float32)}, r"\[1\.5, 1\.5\]; expected \[0, 1\]"),
        ({"x": np.full((1, *SHAPE), np.nan, np.float32)}, "nan"),
        ({"x": np.zeros(SHAPE, np.float32)}, r"shape \(3, 3, 1\)"),
        ({"x": np.zeros((0, *SHAPE), np.float32)}, r"shape is \(0, 3, 3, 1\)"),
        ({"key": jax.random.split(KEY, 5)}, r"shape \(5,\)"),
    ],
)
def test_bad_input_is_named_before_anything_is_computed(change, message):
    def never(x):
        raise AssertionError("the model was called")

    arguments = {"x": at_distances([0.1]), "key": KEY, "sigma": 0.25, "num_classes": 2} | change
    with pytest.raises(InputError, match=message):
        certify(never, **arguments)
    if not {"selection_samples", "key"} & set(change):
        with pytest.raises(InputError, match=message):
            predict(never, **arguments)


def test_a_wrong_number_of_classes_is_named():
    with pytest.raises(InputError, match=r"num_classes=3 .*\(256, 2\)"):
        certify(LINEAR, at_distances([0.1]), KEY, sigma=0.25, num_classes=3)


def test_labels_and_radii_that_do_not_fit_are_named():
    certificates = Certificates(np.zeros(2, int), np.zeros(2))
    with pytest.raises(InputError, match=r"labels .*\(3,\)"):
        certified_right(certificates, np.zeros(3, int), [0.0])
    with pytest.raises(InputError, match=r"radii=\[0\.0, -0\.5\] must"):
        certified_right(certificates, np.zeros(2, int), [0.0, -0.5])
