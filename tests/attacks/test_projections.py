import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from rtickets.attacks import project, uniform_in_ball, unit_direction
from rtickets.attacks.projections import Norm, ascend, check_norm, climb, l2_norm
from rtickets.errors import InputError

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
shapes = st.sampled_from([(1, 1, 1, 1), (3, 1, 1, 3), (2, 4, 3, 1), (1, 8, 8, 3)])


def distance(x_adv, x, norm):
    delta = np.abs(np.asarray(x_adv, np.float64) - np.asarray(x, np.float64))
    flat = delta.reshape(len(delta), -1)
    return {"linf": flat.max(-1), "l2": np.sqrt((flat**2).sum(-1)), "l1": flat.sum(-1)}[norm]


def keys_for(batch, seed=0):
    return jax.random.split(jax.random.key(seed), batch)


@settings(max_examples=40, deadline=None)
@given(shapes, st.sampled_from(NORMS), st.floats(0, 2), st.floats(0, 5), st.integers(0, 2**16))
def test_projection_is_in_the_ball_and_in_range_and_idempotent(shape, norm, eps, size, seed):
    generator = np.random.default_rng(seed)
    x = generator.uniform(0, 1, shape).astype(np.float32)
    outside = x + size * generator.standard_normal(shape).astype(np.float32)
    projected = project(outside, x, eps, norm)
    assert (distance(projected, x, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert projected.min() >= 0
    assert projected.max() <= 1
    np.testing.assert_allclose(project(projected, x, eps, norm), projected, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_projection_leaves_points_inside_alone(norm):
    x = jnp.full((2, 2, 2, 1), 0.5)
    inside = x + 0.01
    np.testing.assert_array_equal(project(inside, x, 0.1, norm), inside)


@pytest.mark.parametrize("norm", NORMS)
def test_radius_zero_gives_the_centre_exactly(norm):
    for shape in ((3, 5, 5, 3), (500, 1, 2, 1)):
        x = jax.random.uniform(jax.random.key(0), shape)
        noise = jax.random.normal(jax.random.key(1), shape)
        np.testing.assert_array_equal(project(x + noise, x, 0.0, norm), x)


def test_l2_projection_is_the_nearest_point():
    x = jnp.full((1, 1, 2, 1), 0.5)
    outside = x + jnp.array([0.3, 0.4]).reshape(1, 1, 2, 1)
    expected = 0.5 + np.array([0.06, 0.08]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(project(outside, x, 0.1, "l2"), expected, atol=1e-6)


def linear_maximum(slope, x, eps):
    """Return the maximum of slope @ delta over |delta|_1 <= eps and x + delta in [0, 1]."""
    slope, x = (np.asarray(a, np.float64).ravel() for a in (slope, x))
    bounds = [(0, 1 - value) for value in x] + [(0, value) for value in x]  # of the two signs
    found = linprog(
        np.concatenate([-slope, slope]), A_ub=np.ones((1, 2 * x.size)), b_ub=[eps], bounds=bounds
    )
    return -found.fun


def l1_case(seed, corners=False):
    generator = np.random.default_rng(seed)
    x = generator.uniform(0, 1, (1, 3, 4, 2)).astype(np.float32)
    if corners:
        x = np.where(generator.uniform(size=x.shape) < 0.5, x.round(), x)
    return x, generator.standard_normal(x.shape).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 8), st.sampled_from([0.01, 0.3, 3.0, 100.0]), st.integers(0, 1000), st.booleans()
)
def test_l1_projection_is_the_nearest_point_of_ball_and_box(eps, size, seed, corners):
    x, noise = l1_case(seed, corners)
    outside = np.float64(size * noise)
    point = np.asarray(project(jnp.asarray(x + size * noise), x, eps, "l1"), np.float64) - x
    # The point is nearest if and only if no other lies beyond it in the direction of the rest.
    rest = outside - point
    beyond = linear_maximum(rest, x, eps) - (rest * point).sum()
    assert beyond <= 1e-5 * (1 + size) * max(eps, 1)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 30), st.integers(0, 1000), st.booleans())
def test_an_l1_step_solves_the_linear_programme(step, seed, corners):
    x, slope = l1_case(seed, corners)
    moved = np.asarray(ascend(jnp.asarray(x), jnp.asarray(slope), step, "l1"), np.float64)
    assert distance(moved, x, "l1") <= step * (1 + 1e-5) + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1 + 1e-6
    np.testing.assert_allclose(
        (slope * (moved - x)).sum(), linear_maximum(slope, x, step), rtol=1e-5, atol=1e-5
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 8), st.floats(0, 2.5), st.integers(0, 1000))
def test_an_l1_climb_leads_straight_to_the_linear_optimum(eps, share, seed):
    x, slope = l1_case(seed)
    start = project(jnp.asarray(x + l1_case(seed + 1)[1]), x, eps, "l1")
    moved = climb(start, jnp.asarray(slope), share * eps, x, eps, "l1")
    assert distance(moved, x, "l1") <= eps * (1 + 1e-5) + 1e-6
    best, first = linear_maximum(slope, x, eps), float((slope * (start - x)).sum())
    reached = float((slope * (moved - x)).sum())
    if share >= 2:  # no two points of the ball are further apart
        np.testing.assert_allclose(reached, best, rtol=1e-4, atol=1e-4)
    else:
        length = distance(moved, start, "l1")
        assert length <= share * eps * (1 + 1e-5) + 1e-6
        assert reached >= first + (best - first) * min(share / 2, 1) - 1e-4


@pytest.mark.parametrize("norm", NORMS)
def test_a_climb_without_slope_stays_where_it_is(norm):
    x = jnp.full((2, 2, 2, 1), 0.5)
    start = x + jnp.array([0.02, -0.01]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(climb(start, 0 * x, 0.1, x, 0.1, norm), start)


@pytest.mark.parametrize("norm", NORMS)
def test_radii_are_per_example(norm):
    x = jnp.full((2, 2, 2, 1), 0.5)
    projected = project(x + 0.4, x, jnp.array([0.0, 0.1]), norm)
    np.testing.assert_allclose(distance(projected, x, norm), [0, 0.1], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e-9, 1.0, 1e9, 1e30])
def test_a_direction_has_unit_norm_however_small_or_large_the_gradient(scale):
    gradient = scale * jax.random.normal(jax.random.key(1), (4, 3, 3, 2))
    direction = unit_direction(gradient, "l2")
    np.testing.assert_allclose(distance(direction, 0 * direction, "l2"), 1, rtol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_gives_a_zero_direction(norm):
    gradient = jnp.zeros((2, 3, 3, 1)).at[1].set(1.0)
    direction = unit_direction(gradient, norm)
    np.testing.assert_array_equal(direction[0], 0)
    assert np.isfinite(direction).all()
    assert direction[1].min() > 0


def test_a_direction_is_float32_for_a_bfloat16_gradient():
    gradient = jnp.ones((1, 2, 2, 1), jnp.bfloat16)
    assert unit_direction(gradient, "l2").dtype == jnp.float32


def test_l2_norm_does_not_underflow():
    np.testing.assert_allclose(l2_norm(jnp.full((1, 2, 2, 1), 1e-25)).ravel(), 2e-25, rtol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 1), (8, 8, 3)])
def test_random_points_fill_the_ball(norm, shape):
    points = uniform_in_ball(keys_for(4000), shape, 0.5, norm)
    radii = distance(points, 0 * points, norm)
    assert radii.max() <= 0.5 + 1e-6
    # In d dimensions the radius over eps, to the power d, is uniform in [0, 1].
    ranks = np.sort((radii / 0.5) ** np.prod(shape))
    np.testing.assert_allclose(ranks, np.linspace(0, 1, 4000), atol=0.035)
    np.testing.assert_allclose(points.mean(0), 0, atol=0.03)


@pytest.mark.parametrize("norm", NORMS)
def test_a_random_point_belongs_to_its_key_alone(norm):
    keys = keys_for(6)
    whole = uniform_in_ball(keys, (4, 4, 1), 0.1, norm)
    part = uniform_in_ball(keys[2:4], (4, 4, 1), 0.1, norm)
    np.testing.assert_array_equal(whole[2:4], part)


def test_an_unknown_norm_is_named():
    with pytest.raises(InputError, match="norm='l3'"):
        check_norm("l3")
