"""Scores from data against closed forms of least squares and of a quadratic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import models
from rtickets.draw.criteria import (
    GRASP_TEMPERATURE,
    adversarial,
    cross_entropy,
    grasp,
    prunable_leaves,
    snip,
    taylor,
)
from rtickets.errors import InputError

CRITERIA = [snip, taylor, grasp]


def least_squares(params, x, y):
    predicted = x @ params["a"]["kernel"] + params["a"]["bias"]
    return 0.5 * jnp.square(predicted - y).sum(-1).mean()


def problem(seed, sizes=(5, 2, 1)):
    """Return weights (4, 3), batches of least squares and all examples as one batch."""
    generator = np.random.default_rng(seed)
    params = {"a": {"kernel": generator.standard_normal((4, 3)), "bias": np.array([1.0, 0, -1])}}
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    x = generator.standard_normal((sum(sizes), 4)).astype(np.float32)
    y = generator.standard_normal((sum(sizes), 3)).astype(np.float32)
    ends = np.cumsum(sizes)[:-1]
    batches = list(zip(np.split(x, ends), np.split(y, ends), strict=True))
    return params, batches, (x, y)


def gradient(params, x, y):
    return x.T @ (x @ params["a"]["kernel"] + params["a"]["bias"] - y) / len(x)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16))
def test_snip_is_weight_times_gradient_of_the_mean_over_all_examples(seed):
    params, batches, everything = problem(seed)
    expected = np.abs(params["a"]["kernel"] * gradient(params, *everything))
    score = snip(least_squares, params, batches)
    assert list(score) == ["a/kernel"]
    assert score["a/kernel"].dtype == np.float64
    np.testing.assert_allclose(score["a/kernel"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("sizes", [(5, 2, 1), (1,) * 8])
def test_taylor_weighs_batches_by_their_examples(squared, sizes):
    params, batches, (x, _) = problem(3, sizes)
    expected = 0
    for batch in batches:
        product = np.abs(params["a"]["kernel"] * gradient(params, *batch))
        expected += len(batch[0]) / len(x) * (product**2 if squared else product)
    score = taylor(least_squares, params, batches, squared=squared)["a/kernel"]
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-6)


def test_opposite_gradients_cancel_in_snip_but_not_in_taylor():
    params = {"a": {"kernel": np.full((1, 1), 2, np.float32)}}
    batches = [(np.full((1, 1), value, np.float32),) for value in (3, -3)]

    def loss_fn(params, x):
        return (x * params["a"]["kernel"]).sum()

    assert snip(loss_fn, params, batches)["a/kernel"] == 0
    assert taylor(loss_fn, params, batches)["a/kernel"] == 36
    assert taylor(loss_fn, params, batches, squared=False)["a/kernel"] == 6


def quadratic(seed):
    """Return A, weights w and batches of L = w A w / 2 - mean(x) w, so that g = A w - mean(x)."""
    generator = np.random.default_rng(seed)
    half = generator.standard_normal((6, 6))
    matrix = (half + half.T).astype(np.float32)
    params = {
        "first": {"kernel": generator.standard_normal(4).astype(np.float32)},
        "second": {"kernel": generator.standard_normal(2).astype(np.float32)},
    }
    x = generator.standard_normal((7, 6)).astype(np.float32)
    weights = np.concatenate([params["first"]["kernel"], params["second"]["kernel"]])

    def loss_fn(params, x):
        w = jnp.concatenate([params["first"]["kernel"], params["second"]["kernel"]])
        return w @ matrix @ w / 2 - x.mean(0) @ w

    return matrix, weights, x.mean(0), params, loss_fn, [(x[:3],), (x[3:],)]


@pytest.mark.parametrize("seed", range(4))
def test_grasp_is_weight_times_hessian_times_gradient(seed):
    matrix, weights, mean, params, loss_fn, batches = quadratic(seed)
    expected = weights * (matrix @ (matrix @ weights - mean))
    score = grasp(loss_fn, params, batches)
    found = np.concatenate([score["first/kernel"], score["second/kernel"]])
    assert (found < 0).any()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_what_grasp_removes_first_increases_the_gradient_most():
    matrix, weights, mean, params, loss_fn, batches = quadratic(1)
    score = grasp(loss_fn, params, batches)
    found = np.concatenate([score["first/kernel"], score["second/kernel"]])
    before = np.sum((matrix @ weights - mean) ** 2)
    for i in range(6):
        without = np.where(np.arange(6) == i, 0, weights)
        change = np.sum((matrix @ without - mean) ** 2) - before
        second_order = weights[i] ** 2 * np.sum(matrix[i] ** 2)
        assert change == pytest.approx(-2 * found[i] + second_order, rel=1e-3, abs=1e-3)


def test_grasp_leaves_the_weights_that_are_not_pruned_out_of_gradient_and_hessian():
    _, _, _, params, loss_fn, batches = quadratic(2)
    alone = grasp(loss_fn, params, batches, exclude="second/kernel")
    first, rest = params["first"], params["second"]["kernel"]

    def of_first(part, x):
        return loss_fn({"first": part["first"], "second": {"kernel": rest}}, x)

    expected = grasp(of_first, {"first": first}, batches)
    assert list(alone) == ["first/kernel"]
    np.testing.assert_allclose(alone["first/kernel"], expected["first/kernel"], rtol=1e-5)


def linear_logits(params, x):
    return x.reshape(len(x), -1) @ params["a"]["kernel"]


def test_the_temperature_divides_the_logits():
    params = {"a": {"kernel": np.array([[1.0, -1.0]], np.float32)}}
    x, y = jnp.full((2, 1, 1, 1), 0.5), jnp.array([0, 1])
    logits = np.array([0.5, -0.5]) / 4
    losses = np.log(np.exp(logits).sum()) - logits
    found = cross_entropy(linear_logits, 4.0)(params, x, y)
    assert found == pytest.approx(losses.mean(), rel=1e-5)
    assert GRASP_TEMPERATURE == 200


def images_and_keys(count):
    x = jax.random.uniform(jax.random.key(1), (count, 2, 2, 1))
    return x, jnp.arange(count) % 2, jax.random.split(jax.random.key(2), count)


def test_adversarial_scores_are_those_of_the_worst_images_of_the_ball():
    params = {"a": {"kernel": np.random.default_rng(0).standard_normal((4, 2), np.float32)}}
    x, y, keys = images_and_keys(6)
    attack = {"eps": 0.1, "step_size": 0.1, "num_steps": 1, "random_start": False}
    perturb = adversarial(linear_logits, **attack)
    # The loss of a linear model grows away from the label's weights.
    away = params["a"]["kernel"][:, 1] - params["a"]["kernel"][:, 0]
    sign = np.sign(away).reshape(2, 2, 1) * np.where(y == 0, 1, -1)[:, None, None, None]
    worst = np.clip(x + 0.1 * sign, 0, 1)
    np.testing.assert_allclose(perturb(params, x, y, keys)[0], worst, atol=1e-6)
    loss_fn = cross_entropy(linear_logits)
    for criterion in CRITERIA:
        found = criterion(loss_fn, params, [(x, y, keys)], perturb=perturb)["a/kernel"]
        expected = criterion(loss_fn, params, [(worst, y, keys)])["a/kernel"]
        natural = criterion(loss_fn, params, [(x, y, keys)])["a/kernel"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
        assert not np.allclose(found, natural, rtol=1e-2)


def test_a_ball_of_radius_zero_gives_the_natural_scores():
    params = {"a": {"kernel": np.random.default_rng(0).standard_normal((4, 2), np.float32)}}
    perturb = adversarial(linear_logits, eps=0.0, step_size=0.1, num_steps=2)
    loss_fn, batches = cross_entropy(linear_logits), [images_and_keys(4)]
    found = snip(loss_fn, params, batches, perturb=perturb)["a/kernel"]
    np.testing.assert_array_equal(found, snip(loss_fn, params, batches)["a/kernel"])


def test_a_residual_network_is_scored_alike_in_one_batch_and_in_three(tiny):
    def logits_fn(params, x):
        return models.logits(tiny.model, params, tiny.batch_stats, x)

    x = jnp.asarray(tiny.split.images[:12], jnp.float32) / 255
    y = jnp.asarray(tiny.split.labels[:12])
    loss_fn = cross_entropy(logits_fn)
    thirds = [(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]
    whole, split = snip(loss_fn, tiny.params, [(x, y)]), snip(loss_fn, tiny.params, thirds)
    shapes = {path: leaf.shape for path, leaf in prunable_leaves(tiny.params).items()}
    assert {path: score.shape for path, score in whole.items()} == shapes
    for path in whole:
        np.testing.assert_allclose(whole[path], split[path], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("batches", [[], [(np.ones((0, 4), np.float32), np.ones((0, 3)))]])
def test_scores_from_no_data_are_refused(criterion, batches):
    params, _, _ = problem(0)
    with pytest.raises(InputError, match=r"batches .*no examples"):
        criterion(least_squares, params, batches)
