"""How counts under noise are computed, the curve of certified accuracy, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets import models
from rtickets.errors import InputError
from rtickets.evaluation import noise
from rtickets.evaluation.smoothing import (
    ABSTAIN,
    Certificates,
    certified_right,
    certify,
    noisy_counts,
    predict,
)
from rtickets.platform import parallel
from tests.evaluation.smoothing.conftest import KEY, LINEAR, SHAPE, WEIGHTS, at_distances, linear


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


def test_what_is_certified_by_hand():
    certificates = Certificates(np.array([0, 1, 2, ABSTAIN]), np.array([0.5, 0.25, 1.0, 0.0]))
    labels = np.array([0, 1, 0, 3])  # right, right, wrong, abstained
    curve = certified_right(certificates, labels, [0.0, 0.25, 0.3, 0.5, 0.6])
    assert [np.flatnonzero(right).tolist() for right in curve] == [[0, 1], [0, 1], [0], [0], []]
    assert {right.shape for right in curve} == {(4,)}


def test_abstaining_is_never_correct():
    certificates = Certificates(np.array([ABSTAIN]), np.array([0.0]))
    assert not certified_right(certificates, np.array([ABSTAIN]), [0.0])[0].any()


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
