"""Distances from classes against scikit-learn, by hand, and on degenerate features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from rtickets.errors import InputError
from rtickets.evaluation.mahalanobis import class_gaussians, squared_distances


def example(count=200, width=12, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    mixing = generator.normal(size=(width, width))
    features = generator.normal(size=(count, width)) @ mixing + 3 * labels[:, None]
    return features, labels


def around(features, labels):
    means = {k: features[labels == k].mean(0) for k in np.unique(labels)}
    return features - np.stack([means[k] for k in labels]), np.stack(list(means.values()))


@pytest.mark.parametrize(("count", "width"), [(200, 12), (20, 50), (7, 3)])
def test_the_covariance_is_that_of_ledoit_and_wolf_in_scikit_learn(count, width):
    covariance = pytest.importorskip("sklearn.covariance")
    features, labels = example(count, width)
    centred, means = around(features, labels)
    expected, shrinkage = covariance.ledoit_wolf(centred, assume_centered=True)
    known = class_gaussians(features, labels)
    assert known.shrinkage == pytest.approx(shrinkage)
    np.testing.assert_allclose(known.factor @ known.factor.T, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(known.means, means)


def test_distances_are_those_of_scipy_from_the_nearest_class():
    features, labels = example()
    known = class_gaussians(features, labels)
    inverse = np.linalg.inv(known.factor @ known.factor.T)
    others = np.random.default_rng(1).normal(size=(20, 12))
    expected = [min(mahalanobis(x, m, inverse) ** 2 for m in known.means) for x in others]
    np.testing.assert_allclose(squared_distances(known, others), expected, rtol=1e-8)


def test_by_hand():
    """Classes at 0 and 10; deviations of 1 in one feature and 2 in the other, uncorrelated."""
    one = np.array([[1, 2], [1, -2], [-1, 2], [-1, -2]], float)
    features = np.concatenate([np.tile(one, (500, 1)), np.tile(one, (500, 1)) + 10])
    known = class_gaussians(features, np.repeat([4, 7], 2000))
    assert known.shrinkage < 1e-3
    found = squared_distances(known, np.array([[2.0, 0], [10, 16], [5, 5]]))
    np.testing.assert_allclose(found, [4, 9, 25 + 6.25], rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 4), st.floats(1e-12, 1e12))
def test_degenerate_features_have_finite_distances(count, width, classes, size):
    """Few examples, features that never change, copies of one another, any size."""
    generator = np.random.default_rng(count)
    features = size * generator.normal(size=(count, width))
    features[:, width // 2 :] = features[:, :1]
    features[:, -1] = 3 * size
    labels = generator.integers(0, classes, count)
    known = class_gaussians(features.astype(np.float32), labels)
    found = squared_distances(known, size * generator.normal(size=(5, width)))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    own = squared_distances(known, known.means.astype(np.float32))
    assert (own <= 1e-3 * max(found.max(), 1)).all()


def test_features_that_never_vary_are_measured_as_they_are():
    known = class_gaussians(np.ones((6, 3)), np.arange(6) % 2)
    np.testing.assert_allclose(squared_distances(known, np.array([[1, 1, 3.0], [1, 1, 1]])), [4, 0])


def test_two_features_that_are_a_coin_each_are_not_singular():
    """Every example is as far from the mean: the estimate of the error is exactly zero."""
    features = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    known = class_gaussians(features, np.zeros(4, int))
    assert known.shrinkage == pytest.approx(1e-6)
    assert np.isfinite(squared_distances(known, np.array([[0, 1e-3]]))).all()


def test_a_shift_of_everything_changes_nothing():
    features, labels = example()
    moved = squared_distances(class_gaussians(features + 1e4, labels), features + 1e4)
    still = squared_distances(class_gaussians(features, labels), features)
    np.testing.assert_allclose(moved, still, rtol=1e-5)


def test_what_has_no_distance_is_refused():
    known = class_gaussians(*example())
    for wrong, message in (
        (np.full((2, 12), np.nan), "24 of 24"),
        (np.zeros((2, 5)), "5 numbers .* 12"),
        (np.zeros((0, 12)), "shape"),
        (np.zeros(12), "shape"),
    ):
        with pytest.raises(InputError, match=message):
            squared_distances(known, wrong)
