import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from rtickets.attacks.hyperplane import move_to_hyperplane

NORMS = ("linf", "l2", "l1")
move = jax.jit(move_to_hyperplane, static_argnames="norm")
shapes = st.sampled_from([(1, 1, 1, 1), (3, 1, 1, 3), (2, 4, 3, 1), (1, 8, 8, 3)])


def size(delta, norm):
    flat = np.abs(np.asarray(delta, np.float64)).reshape(len(delta), -1)
    return {"linf": flat.max(-1), "l2": np.sqrt((flat**2).sum(-1)), "l1": flat.sum(-1)}[norm]


def product(normal, delta):
    return (np.asarray(normal, np.float64) * np.asarray(delta)).reshape(len(delta), -1).sum(-1)


def problem(generator, shape, reach):
    """Images, slopes with zeros, and values of which `reach` of what the box allows is needed."""
    x = generator.uniform(0, 1, shape).astype(np.float32)
    x[generator.uniform(size=shape) < 0.2] = generator.choice([0, 1])
    normal = generator.standard_normal(shape).astype(np.float32)
    normal[generator.uniform(size=shape) < 0.2] = 0
    sign = generator.choice([-1, 1], len(x))
    room = np.where((normal.T * sign).T > 0, x, 1 - x)
    value = sign * reach * product(np.abs(normal), room)
    return jnp.asarray(x), jnp.asarray(normal), jnp.asarray(value, jnp.float32)


def shortest(x, normal, value, norm):
    """Solve one small problem by general-purpose optimisers."""
    x, normal = np.asarray(x, np.float64).ravel(), np.asarray(normal, np.float64).ravel()
    count = len(x)
    on_plane = {"type": "eq", "fun": lambda d: normal @ d + value, "jac": lambda _: normal}
    if norm == "l2":
        solution = minimize(
            lambda d: d @ d / 2, np.zeros(count), jac=lambda d: d,
            bounds=list(zip(-x, 1 - x, strict=True)), method="SLSQP", constraints=on_plane,
            options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        assert solution.success
        return np.sqrt(2 * solution.fun)
    # variables: d and bounds of |d|, one in all for 'linf' and one each for 'l1'
    caps = np.ones((count, 1)) if norm == "linf" else np.eye(count)
    above = np.block([[np.eye(count), -caps], [-np.eye(count), -caps]])
    cost = np.concatenate([np.zeros(count), np.ones(caps.shape[1])])
    bounds = [*zip(-x, 1 - x, strict=True), *[(0, None)] * caps.shape[1]]
    equal = np.concatenate([normal, np.zeros(caps.shape[1])])[None]
    solution = linprog(
        cost, A_ub=above, b_ub=np.zeros(2 * count), A_eq=equal, b_eq=[-value], bounds=bounds
    )
    assert solution.success
    return solution.fun


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("reach", [0.0, 0.05, 0.5, 0.95])
def test_the_move_is_the_shortest(norm, reach):
    generator = np.random.default_rng(int(100 * reach))
    x, normal, value = problem(generator, (8, 3, 3, 1), reach)
    moved = size(move(x, normal, value, norm=norm), norm)
    optima = [shortest(*each, norm) for each in zip(x, normal, value.tolist(), strict=True)]
    np.testing.assert_allclose(moved, optima, rtol=2e-5, atol=2e-6)


@settings(max_examples=15, deadline=None)
@given(shapes, st.sampled_from(NORMS), st.floats(0, 0.99), st.integers(0, 2**16))
def test_the_end_is_on_the_hyperplane_and_in_range(shape, norm, reach, seed):
    x, normal, value = problem(np.random.default_rng(seed), shape, reach)
    delta = move(x, normal, value, norm=norm)
    scale = product(np.abs(normal), np.ones_like(x))
    assert (np.abs(product(normal, delta) + value) <= 2e-6 * scale).all()
    assert (x + delta).min() >= 0
    assert (x + delta).max() <= 1
    assert (np.asarray(delta)[np.asarray(normal) == 0] == 0).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("value", [3.0, -3.0, np.inf])
def test_an_unreachable_hyperplane_is_approached_up_to_the_corner(norm, value):
    x, normal, _ = problem(np.random.default_rng(1), (4, 3, 2, 1), 0.5)
    normal = normal / jnp.abs(normal).sum((1, 2, 3), keepdims=True)
    delta = move(x, normal, jnp.full(4, value), norm=norm)
    corner = jnp.where(normal == 0, x, normal * value < 0)
    np.testing.assert_array_equal(x + delta, corner)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_scale_of_the_function_does_not_matter(norm, scale):
    x, normal, value = problem(np.random.default_rng(2), (4, 3, 2, 1), 0.3)
    scaled = move(x, scale * normal, scale * value, norm=norm)
    np.testing.assert_allclose(scaled, move(x, normal, value, norm=norm), atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("value", [0.0, 1.0, np.inf])
def test_a_zero_slope_gives_no_move(norm, value):
    x = jnp.full((2, 2, 2, 1), 0.5)
    delta = move(x, jnp.zeros_like(x), jnp.full(2, value), norm=norm)
    np.testing.assert_array_equal(delta, 0)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [("linf", [-0.3, -0.3, 0.1]), ("l2", [-0.5, -0.25, 0.0]), ("l1", [-0.9, -0.025, 0.1])],
)
def test_pixels_move_as_written_down_by_hand(norm, expected):
    x = jnp.array([0.9, 0.5, 0.9]).reshape(1, 1, 3, 1)
    normal = jnp.array([2.0, 1.0, {"linf": -1.0, "l2": 0.0, "l1": -1.5}[norm]]).reshape(x.shape)
    value = jnp.array([{"linf": 1.0, "l2": 1.25, "l1": 1.975}[norm]])
    delta = move(x, normal, value, norm=norm)
    np.testing.assert_allclose(np.ravel(delta), expected, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_examples_do_not_see_each_other(norm):
    x, normal, value = problem(np.random.default_rng(3), (5, 4, 4, 1), 0.4)
    value = value * jnp.arange(5)
    whole = move(x, normal, value, norm=norm)
    part = move(x[3:4], normal[3:4], value[3:4], norm=norm)
    np.testing.assert_allclose(whole[3:4], part, atol=1e-6)
