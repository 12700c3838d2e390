"""What holds for every gate of the registry, on a network."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks
from rtickets.config import DrawConfig, LmpConfig, TrainConfig
from rtickets.masks.gates import (
    GATES,
    GateConfig,
    LearnedMask,
    apply_gates,
    gates_of,
    initial_scores,
    living_groups,
    mask_of,
    penalty_of,
    ranked_scores,
)
from rtickets.settings import config_files

KEY = jax.random.key(0)
PARAMS = {
    "conv": {"kernel": jax.random.normal(KEY, (3, 3, 2, 4))},
    "head": {"kernel": jax.random.normal(KEY, (4, 3)), "bias": jnp.ones(3)},
}
names = pytest.mark.parametrize("name", GATES)


def learned(name, pattern="kernel"):
    return LearnedMask(0.5, pattern, gate=GateConfig(name=name))


@names
@pytest.mark.parametrize("pattern", ["element", "channel"])
def test_scores_gates_and_masks_have_one_number_a_group(name, pattern):
    settings = learned(name, pattern)
    scores = initial_scores(settings, PARAMS, KEY)
    shape = {"element": (3, 3, 2, 4), "channel": (1, 1, 1, 4)}[pattern]
    assert {name: (leaf.shape, leaf.dtype) for name, leaf in scores.items()} == {
        "conv.kernel": (shape, jnp.float32)
    }
    gates, keep = gates_of(settings, PARAMS, scores, KEY), living_groups(settings, PARAMS, scores)
    ranked = ranked_scores(settings, PARAMS, scores)
    for found in (gates, keep, ranked):
        assert {path: leaf.shape for path, leaf in found.items()} == {"conv/kernel": shape}
    assert keep["conv/kernel"].dtype == bool
    assert np.isfinite(penalty_of(settings, PARAMS, scores))
    assert np.shape(penalty_of(settings, PARAMS, scores)) == ()


@names
def test_the_mask_of_the_scores_is_what_validation_multiplies_with(name):
    settings = learned(name)
    scores = initial_scores(settings, PARAMS, KEY)
    applied = apply_gates(settings, PARAMS, living_groups(settings, PARAMS, scores))
    expected = masks.apply(mask_of(settings, PARAMS, scores), PARAMS)
    chex.assert_trees_all_equal(applied, expected)
    assert 0 < masks.sparsity(mask_of(settings, PARAMS, scores)) < 1


@names
def test_gradients_reach_the_scores_and_everything_compiles_and_maps(name):
    settings = learned(name)
    scores = initial_scores(settings, PARAMS, KEY)

    def loss(scores, key):
        weights = apply_gates(settings, PARAMS, gates_of(settings, PARAMS, scores, key))
        return weights["conv"]["kernel"].sum() + penalty_of(settings, PARAMS, scores)

    gradient = jax.jit(jax.grad(loss))(scores, KEY)
    # Samples may saturate, so that a few scores get none.
    assert all((leaf != 0).mean() > 0.8 for leaf in gradient.values())
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), scores)
    together = jax.vmap(jax.grad(loss), (0, None))(several, KEY)
    chex.assert_trees_all_close(
        jax.tree.map(lambda leaf: leaf[0], together), gradient, rtol=1e-5, atol=1e-6
    )


@names
def test_settings_survive_being_stored(name):
    config = DrawConfig(method=LmpConfig(gate=GateConfig(name=name)), train=TrainConfig())
    for short in (False, True):
        values = config_files.to_dict(config, exclude_defaults=short)
        assert config_files.parse(DrawConfig, json.loads(json.dumps(values))) == config
