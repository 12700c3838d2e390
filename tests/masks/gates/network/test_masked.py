"""Learnt masks of whole networks: groups, budgets, starts and settings."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks
from rtickets.draw import draw_omp, survivors
from rtickets.errors import InputError
from rtickets.masks.gates import (
    LearnedMask,
    TopScores,
    initial_scores,
    mask_of,
)
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern
from tests.masks.gates.network.conftest import KEY, PATTERNS, apply_scores, network, random_scores


def joined(parts):
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize(
    ("pattern", "scope", "ranking"),
    [
        ("element", "uniform", "magnitude"),
        ("element", "global", "plain"),
        ("row", "uniform", "plain"),
        ("kernel", "global", "magnitude"),
        ("channel", "uniform", "magnitude"),
        ("block:2x3", "global", "plain"),
    ],
)
def test_the_forward_pass_is_the_masked_weights(pattern, scope, ranking):
    settings_ = LearnedMask(0.6, pattern, scope, TopScores(ranking=ranking))
    params = jax.tree.map(jnp.asarray, network())
    scores = random_scores(settings_, params)
    mask = mask_of(settings_, params, scores)
    applied = jax.jit(lambda scores: apply_scores(settings_, params, scores))(scores)
    chex.assert_trees_all_equal(applied, masks.apply(mask, params))
    assert mask["head"]["kernel"].shape == mask["head"]["bias"].shape == ()
    assert 0.5 < masks.sparsity(mask) < 0.8


@pytest.mark.parametrize("sparsity", [0.3, 0.97])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_uniform_keeps_exactly_k_whole_groups_in_every_layer(pattern, sparsity):
    settings_ = LearnedMask(sparsity, pattern)
    params = network()
    mask = mask_of(settings_, params, random_scores(settings_, params))
    for layer in ("conv1", "conv2"):
        keep = np.asarray(mask[layer]["kernel"], np.float32)
        alive = group_scores(keep, parse_pattern(pattern))
        assert set(np.unique(alive)) <= {0.0, 1.0}
        assert int(alive.sum()) == survivors(alive.size, sparsity)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_global_budget_is_kept_over_layers(pattern):
    sparsity = 0.7
    settings_ = LearnedMask(sparsity, pattern, "global")
    params = network()
    mask = mask_of(settings_, params, random_scores(settings_, params))
    shapes = [params[layer]["kernel"].shape for layer in ("conv1", "conv2")]
    sizes = joined(group_sizes(shape, parse_pattern(pattern)) for shape in shapes)
    kept = masks.summary(mask, params).prunable.survivors
    if len(set(sizes)) == 1:
        assert kept == sizes[0] * survivors(len(sizes), sparsity)
    else:
        assert 0 < kept <= max(survivors(sizes.sum(), sparsity), sizes.max())


def test_a_budget_smaller_than_a_group_leaves_a_group():
    settings_ = LearnedMask(0.99, "channel", "global")
    mask = mask_of(settings_, network(), random_scores(settings_, network()))
    assert masks.sparsity(mask) < 1


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [*((pattern, "uniform") for pattern in PATTERNS), ("element", "global"), ("channel", "global")],
)
def test_the_magnitude_start_is_the_ticket_of_magnitude(pattern, scope):
    params = network()
    settings_ = LearnedMask(0.7, pattern, scope)
    start = initial_scores(settings_, params, KEY)
    expected = draw_omp(params, 0.7, pattern, scope)
    chex.assert_trees_all_equal(mask_of(settings_, params, start), expected)


def test_ties_go_to_the_lower_index():
    params = {"a": {"kernel": np.ones((2, 3))}, "b": {"kernel": np.ones((2, 3))}}
    mask = mask_of(
        LearnedMask(0.5, scope="global"), params, {"a.kernel": np.ones((2, 3)),
                                                   "b.kernel": np.ones((2, 3))}
    )  # fmt: skip
    assert mask["a"]["kernel"].all()
    assert not mask["b"]["kernel"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pattern": "2:4"}, "pattern='2:4'"),
        ({"pattern": "rows"}, "pattern='rows' is unknown"),
        ({"prunable": "nothing"}, "prunable='nothing' matches none"),
        ({"exclude": "nothing"}, "exclude='nothing' matches none"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(InputError, match=message):
        initial_scores(LearnedMask(**{"sparsity": 0.5, **change}), network(), KEY)
