"""Gradients of scores, scores that are mapped, starts of random scores."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.masks.gates import (
    LearnedMask,
    TopScores,
    initial_scores,
)
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern
from tests.masks.gates.network.conftest import (
    KAIMING,
    KEY,
    PATTERNS,
    apply_scores,
    network,
    random_scores,
)


@pytest.mark.parametrize("ranking", ["magnitude", "plain"])
def test_the_gradient_literally(ranking):
    weights = jnp.array([[2.0, 3.0], [5.0, 7.0]])
    scores = {"a.kernel": jnp.array([[-1.0, 0.5], [0.25, -2.0]])}
    slopes = jnp.array([[1.0, 10.0], [100.0, 1000.0]])
    settings_ = LearnedMask(0.5, gate=TopScores(ranking=ranking))

    def apply(scores):
        return apply_scores(settings_, {"a": {"kernel": weights}}, scores)["a"]["kernel"]

    def loss(scores):
        return (slopes * apply(scores)).sum()

    # Weight times gradient, also of what is pruned; with 'magnitude' the score's sign as well.
    signs = {"magnitude": [[-1, 1], [1, -1]], "plain": [[1, 1], [1, 1]]}[ranking]
    expected = np.array([[2.0, 30.0], [500.0, 7000.0]]) * signs
    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(scores)["a.kernel"], expected)
    alive = {"magnitude": [[2, 0], [0, 7]], "plain": [[0, 3], [5, 0]]}[ranking]
    np.testing.assert_array_equal(apply(scores), alive)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_gradient_of_a_score_is_the_sum_over_its_group(pattern):
    settings_ = LearnedMask(0.5, pattern)
    params = jax.tree.map(jnp.asarray, network())
    scores = random_scores(settings_, params)
    slopes = jax.tree.map(jnp.asarray, network(7))

    def loss(scores):
        applied = apply_scores(settings_, params, scores)
        return sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), applied, slopes)))

    gradients = jax.grad(loss)(scores)
    assert set(gradients) == {"conv1.kernel", "conv2.kernel"}
    for layer in ("conv1", "conv2"):
        shape = params[layer]["kernel"].shape
        products = np.asarray(params[layer]["kernel"] * slopes[layer]["kernel"], np.float64)
        sums = group_scores(products, parse_pattern(pattern)) * group_sizes(
            shape, parse_pattern(pattern)
        )
        expected = sums * np.sign(scores[f"{layer}.kernel"])
        np.testing.assert_allclose(gradients[f"{layer}.kernel"], expected, rtol=1e-4, atol=1e-5)


def test_masks_map_over_scores_and_weights():
    settings_ = LearnedMask(0.6, "row", "global")
    members = [jax.tree.map(jnp.asarray, network(seed)) for seed in (0, 1)]
    scores = [random_scores(settings_, member, seed) for seed, member in enumerate(members)]
    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *part) for part in (members, scores)]
    together = jax.jit(jax.vmap(lambda p, s: apply_scores(settings_, p, s)))(*stacked)
    for index, (params, own) in enumerate(zip(members, scores, strict=True)):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        chex.assert_trees_all_equal(member, apply_scores(settings_, params, own))


def test_the_kaiming_start_is_uniform_within_one_over_the_root_of_the_fan_in():
    params = {"a": {"kernel": np.zeros((3, 3, 40, 20))}, "b": {"kernel": np.zeros((3, 3, 40, 20))}}
    start = initial_scores(KAIMING, params, KEY)
    bound = (3 * 3 * 40) ** -0.5
    for score in start.values():
        assert score.dtype == jnp.float32
        assert 0.99 * bound < np.abs(score).max() <= bound
        assert np.std(score) == pytest.approx(bound / 3**0.5, rel=0.03)
    assert (start["a.kernel"] != start["b.kernel"]).any()
    again = initial_scores(KAIMING, params, KEY)
    chex.assert_trees_all_equal(start, again)


def test_scores_do_not_share_memory_with_the_weights():
    params = network()
    start = initial_scores(LearnedMask(0.5), params, KEY)
    before = jax.tree.map(np.array, start)
    params["conv1"]["kernel"][:] = 0
    chex.assert_trees_all_equal(start, before)
