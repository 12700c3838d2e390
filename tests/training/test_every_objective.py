"""What holds for every objective, with every option of training."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import training
from rtickets.config import AveragingConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.training.objectives import OBJECTIVES

DECAYED = OptimizerConfig(learning_rate=0.0, weight_decay=0.1, schedule="constant")
OPTIONS = {
    "none": {},
    "nesterov": {"optimizer": config_files.replace(DECAYED, nesterov=True)},
    "clipped": {"optimizer": config_files.replace(DECAYED, clip_norm=0.1)},
    "averaged": {"averaging": AveragingConfig(decay=0.9)},
    "accumulated": {"accumulate": 2},
    "frozen": {"statistics": "frozen"},
    "smoothed": {"objective__label_smoothing": 0.1},
    "attacked in the batch": {"objective__attack_statistics": "batch"},
    "attacked with updates": {"objective__attack_statistics": "batch_and_update"},
    "not synchronised": {"sync_statistics": False, "devices": 2},
}


def program_of(small, objective, shape, options):
    """Return the program with some options; those that an objective does not use are left out."""
    fields = {"optimizer": DECAYED, "input_shape": shape, "transform": Transform(), **options}
    count, mapping = fields.pop("devices", 1), fields.pop("mapping", "pmap")
    fields["devices"] = parallel.local_devices(count, mapping)
    for name in [name for name in fields if name.startswith("objective__")]:
        value = fields.pop(name)
        field = name.removeprefix("objective__")
        if field in {own.name for own in dataclasses.fields(objective)}:
            objective = config_files.replace(objective, **{field: value})
    return small.program(objective=objective, **fields)


def test_every_objective_of_the_registry_is_trained_here(objectives, of_texts):
    assert {*objectives, *of_texts} == set(OBJECTIVES)
    assert all(type(each) is OBJECTIVES[name] for name, each in objectives.items())


def check_pruned(small, pruned, state):
    trees = [state.params, optax.tree_utils.tree_get(state.opt_state, "trace")]
    if state.average is not None:
        trees.append(state.average.params)
    for tree in trees:
        np.testing.assert_array_equal(pruned(small.mask, tree), 0)
        assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(tree))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, small.params)
    assert all(jax.tree.leaves(moved))


def test_pruned_weights_stay_exactly_zero_with_all_options(small, objective, shape, pruned):
    together = {
        "optimizer": config_files.replace(DECAYED, nesterov=True, clip_norm=0.5),
        "averaging": AveragingConfig(decay=0.9),
        "objective__label_smoothing": 0.1,
        "objective__attack_statistics": "batch_and_update",
    }
    state, losses = small.steps(program_of(small, objective, shape, together), 6)
    check_pruned(small, pruned, state)
    assert np.isfinite(losses).all()


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_pruned_weights_stay_exactly_zero(small, objective, shape, pruned, option):
    if option == "frozen" and objective.attack_statistics != "frozen":
        pytest.skip("refused by the configuration")
    state, _ = small.steps(program_of(small, objective, shape, OPTIONS[option]), 6)
    check_pruned(small, pruned, state)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("gaussian", "fast")]


@pytest.mark.parametrize("name", ["free", "trades", "mart", *SLOW])
def test_any_number_of_devices_trains_the_same(small, objectives, name, shape):
    options = {"averaging": AveragingConfig(decay=0.9)}
    if name == "trades":
        options["objective__attack_statistics"] = "batch_and_update"
    found = {}
    for count in (1, 2, 4) if name == "free" else (1, 4):
        program = program_of(small, objectives[name], shape, {**options, "devices": count})
        state, losses = small.steps(program, 3, rate=0.02)
        found[count] = (state.params, state.batch_stats, state.average, state.carry, losses)
    for count in list(found)[1:]:
        chex.assert_trees_all_close(found[1], found[count], atol=2e-4)


@pytest.mark.parametrize("name", ["free", "trades"])
def test_both_mappings_train_the_same(small, objectives, name, shape):
    pmap, shard_map = (
        small.steps(
            program_of(small, objectives[name], shape, {"devices": 2, "mapping": mapping}),
            3,
            rate=0.02,
        )
        for mapping in ("pmap", "shard_map")
    )
    chex.assert_trees_all_close(pmap, shard_map, atol=1e-5)


@pytest.mark.parametrize("name", ["free", pytest.param("trades", marks=pytest.mark.slow)])
def test_the_step_maps_over_weights_masks_keys_and_rates(small, objectives, name, shape, pruned):
    options = {
        "averaging": AveragingConfig(decay=0.9),
        "optimizer": config_files.replace(DECAYED, clip_norm=0.5),
    }
    program = program_of(small, objectives[name], shape, options)
    other = jax.tree.map(lambda leaf: 0.9 * leaf, small.params)
    full = jax.tree.map(np.ones_like, small.mask)
    members = [(small.params, small.mask, jax.random.key(1), 0.05), (other, full,
               jax.random.key(2), 0.1)]  # fmt: skip
    raw = jax.tree.map(jnp.asarray, small.split.take(np.arange(8)).arrays)

    def step(params, mask, key, rate):
        state = training.init_state(program, params, small.batch_stats, mask)
        run = training.RunData(key, jnp.float32(rate))
        return training.train_step(program, state, mask, run, raw)

    def on_one_device(fn):
        return jax.jit(lambda *a: jax.vmap(fn, in_axes=None, axis_name=parallel.AXIS,
                                           axis_size=1, out_axes=None)(*a))  # fmt: skip

    one = on_one_device(step)
    alone = [one(*member) for member in members]
    stacked = [
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
        for parts in zip(*members, strict=True)
    ]
    together = on_one_device(jax.vmap(step))(*stacked)
    for index, expected in enumerate(alone):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        chex.assert_trees_all_close(member, expected, atol=2e-3, rtol=2e-3)
        np.testing.assert_array_equal(pruned(members[index][1], member[0].params), 0)


def test_statistics_that_are_not_shared_are_those_of_the_device(small):
    """Two devices that see the same half each move the statistics as one that sees it alone."""
    half = small.split.take(np.arange(4))
    twice = small.split.take(np.arange(8) % 4)
    options = {"transform": Transform(), "sync_statistics": False}
    both = small._replace(split=twice).steps(
        small.program(batch_size=8, devices=parallel.local_devices(2), **options), 2
    )[0]
    alone = small._replace(split=half).steps(small.program(batch_size=4, **options), 2)[0]
    chex.assert_trees_all_close(both.params, alone.params, atol=1e-5)
    chex.assert_trees_all_close(both.batch_stats, alone.batch_stats, atol=1e-5)


def test_statistics_are_shared_unless_told_otherwise(small):
    found = []
    for sync in (True, False):
        program = small.program(devices=parallel.local_devices(2), sync_statistics=sync)
        found.append(small.steps(program, 2)[0].params["head"]["kernel"])
    assert np.abs(found[0] - found[1]).max() > 1e-4
