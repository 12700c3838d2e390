import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.evaluation.frechet import Gaussian, frechet_distance, gaussian_of

FEATURES = npst.arrays(
    np.float64, st.tuples(st.integers(2, 12), st.just(4)), elements=st.floats(-50, 50, width=32)
)


def draw(seed, count=40, width=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + rng.normal(
        size=width
    )


def distance(x, y):
    return frechet_distance(gaussian_of(x), gaussian_of(y))


def by_definition(x, y):
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)


def test_it_is_the_definition_where_covariances_are_regular():
    assert distance(draw(0), draw(1)) == pytest.approx(by_definition(draw(0), draw(1)), rel=1e-9)


def test_of_independent_features_it_is_that_of_means_and_deviations():
    a = Gaussian(np.array([1.0, 2.0]), np.diag([3.0, 0.5]))
    b = Gaussian(np.array([4.0, 2.0]), np.diag([1.0, 2.5]))
    assert frechet_distance(a, b) == pytest.approx(9 + 4 + 4)


def test_of_one_feature_it_is_that_of_means_and_deviations():
    x, y = draw(2, width=1), draw(3, width=1)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert distance(x, y) == pytest.approx(expected)


def test_a_shift_adds_its_square():
    x = draw(4)
    assert distance(x, x + 3) == pytest.approx(9 * x.shape[1])


def test_with_fewer_examples_than_features_it_is_still_exact():
    """A covariance of rank 1 each: the trace of the root is |u . v|."""
    u, v = np.array([1.0, 2.0, 2.0, 0.0]), np.array([2.0, 1.0, 0.0, 2.0])
    x, y = np.stack([u, -u]) / np.sqrt(2), np.stack([v, -v]) / np.sqrt(2)
    assert distance(x, y) == pytest.approx(u @ u + v @ v - 2 * abs(u @ v))


@given(FEATURES, FEATURES)
def test_it_is_symmetric_and_never_negative(x, y):
    there, back = distance(x, y), distance(y, x)
    assert there >= 0
    assert there == pytest.approx(back, rel=1e-6, abs=1e-6)


@given(FEATURES)
def test_of_a_set_and_itself_it_is_0_in_any_order(x):
    scale = 1 + (x**2).mean()
    assert distance(x, x[::-1]) <= 1e-9 * scale * x.size


@given(FEATURES, FEATURES, st.floats(0.1, 10))
def test_it_grows_with_the_square_of_the_scale(x, y, scale):
    expected = scale**2 * distance(x, y)
    slack = 1e-7 * scale**2 * (1 + (x**2).sum() + (y**2).sum())
    assert distance(scale * x, scale * y) == pytest.approx(expected, rel=1e-6, abs=slack)


def test_a_rotation_changes_nothing():
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))
    assert distance(draw(0) @ turn, draw(1) @ turn) == pytest.approx(distance(draw(0), draw(1)))


def test_directions_in_which_nothing_varies_do_no_harm():
    """Features of dead channels: where a root of the product loses half of its digits."""
    x, y = (np.pad(draw(seed), ((0, 0), (0, 50)), constant_values=7.0) for seed in (0, 1))
    assert distance(x, y) == pytest.approx(distance(draw(0), draw(1)), rel=1e-9)


@pytest.mark.parametrize(
    ("features", "named"),
    [
        (np.ones((1, 3)), "(1, 3)"),
        (np.ones(3), "(3,)"),
        (np.array([[1.0, np.nan], [0, 0]]), "1 of 4"),
    ],
)
def test_what_has_no_distance_is_refused(features, named):
    with pytest.raises(InputError) as refused:
        gaussian_of(features)
    assert named in str(refused.value)


def test_features_of_two_networks_have_no_distance():
    with pytest.raises(InputError, match="6 and 3"):
        distance(draw(0), draw(0, width=3))
