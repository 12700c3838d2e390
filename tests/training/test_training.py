import json
from functools import partial
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, training
from rtickets.config import AttackConfig, ObjectiveConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel

NATURAL = ObjectiveConfig()
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=2))
# Signs of L-infinity steps turn rounding into whole steps; L2 steps are smooth.
SMOOTH = ObjectiveConfig(name="pgd", attack=AttackConfig(norm="l2", eps=0.5, num_steps=2))
GOLDEN = Path(__file__).parents[1] / "golden" / "tiny_losses.json"


def pruned_weights(state, mask):
    removed = jax.tree.map(lambda keep, leaf: np.where(keep, 0, leaf), mask, state.params)
    return np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(removed)])


@pytest.mark.parametrize("objective", [NATURAL, ROBUST], ids=["natural", "pgd"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_pruned_weights_stay_exactly_zero(tiny, objective, nesterov):
    optimizer = OptimizerConfig(
        learning_rate=0.0, momentum=0.9, nesterov=nesterov, weight_decay=0.1, schedule="constant"
    )
    state, _ = tiny.steps(tiny.program(objective=objective, optimizer=optimizer), 12)
    np.testing.assert_array_equal(pruned_weights(state, tiny.mask), 0)
    momentum = jax.tree.leaves(state.opt_state)
    assert max(np.abs(leaf).max() for leaf in momentum) > 0
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, tiny.params)
    assert all(jax.tree.leaves(moved))


def test_momentum_of_pruned_weights_stays_exactly_zero(tiny):
    state, _ = tiny.steps(tiny.program(), 5)
    trace = next(part.trace for part in state.opt_state if hasattr(part, "trace"))
    np.testing.assert_array_equal(pruned_weights(state._replace(params=trace), tiny.mask), 0)


@pytest.mark.parametrize("objective", [NATURAL, ROBUST], ids=["natural", "pgd"])
def test_the_loss_curve_is_the_golden_one(tiny, objective):
    expected = json.loads(GOLDEN.read_text())[objective.name]
    _, losses = tiny.steps(tiny.program(objective=objective), len(expected))
    np.testing.assert_allclose(losses, expected, rtol=2e-3)


@pytest.mark.parametrize("objective", [NATURAL, SMOOTH], ids=["natural", "pgd"])
def test_any_number_of_devices_trains_the_same(tiny, objective):
    states = {}
    for count in (1, 2, 4):
        devices = parallel.local_devices(count)
        states[count], losses = tiny.steps(
            tiny.program(objective=objective, devices=devices), 3, rate=0.02
        )
        states[count] = (states[count].params, states[count].batch_stats, losses)
    for count in (2, 4):
        chex.assert_trees_all_close(states[1], states[count], atol=2e-4)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("objective", [NATURAL, SMOOTH], ids=["natural", "pgd"])
def test_pmap_and_shard_map_train_the_same(tiny, objective, count):
    states = []
    for mapping in ("pmap", "shard_map"):
        devices = parallel.local_devices(count, mapping)
        state, losses = tiny.steps(tiny.program(objective=objective, devices=devices), 3, rate=0.02)
        np.testing.assert_array_equal(pruned_weights(state, tiny.mask), 0)
        states.append((state.params, state.batch_stats, losses))
    chex.assert_trees_all_close(*states, atol=1e-5)


def test_augmentation_and_attack_do_not_depend_on_the_number_of_devices(tiny):
    # With a rate of zero all weights stay, so the losses differ by augmentation and attack alone.
    losses = [
        tiny.steps(
            tiny.program(
                objective=ROBUST, statistics="frozen", devices=parallel.local_devices(count)
            ),
            3,
            rate=0.0,
        )[1]
        for count in (1, 4)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_run_sees_other_augmentations_at_every_step(tiny):
    program = tiny.program(statistics="frozen", batch_size=48)
    _, losses = tiny.steps(program, 3, rate=0.0)
    assert len(set(losses)) == 3


@pytest.mark.parametrize("mapping", ["pmap", "shard_map"])
def test_several_steps_in_one_call_are_the_same_steps(tiny, mapping):
    program = tiny.program(transform=Transform(), devices=parallel.local_devices(1, mapping))
    one_by_one, _ = tiny.steps(program, 3, rate=0.02)
    chosen = np.stack([(np.arange(8) + 7 * step) % 48 for step in range(3)]).astype(np.int32)
    state = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
    run = training.RunData(jax.random.key(5), np.float32(0.02))
    fixed = (state, tiny.mask, run, tiny.split.arrays)
    fixed = parallel.replicate(fixed, program.devices)
    together, totals = training.compiled(program)(*fixed, chosen[None])
    chex.assert_trees_all_close(
        one_by_one.params, jax.device_get(together.params), atol=1e-4, rtol=1e-3
    )
    assert int(totals.examples) == 24


def test_the_state_carries_no_device_axis(tiny):
    program = tiny.program(devices=parallel.local_devices(2))
    state, _ = tiny.steps(program, 1)
    chex.assert_trees_all_equal_shapes(state.params, tiny.params)
    assert state.step.shape == ()


def test_the_step_maps_over_weights_masks_keys_and_rates(tiny, dense_mask):
    program = tiny.program(objective=ROBUST)
    other = jax.tree.map(lambda leaf: 0.9 * leaf, tiny.params)
    members = [
        (tiny.params, tiny.mask, jax.random.key(1), 0.05),
        (other, dense_mask, jax.random.key(2), 0.1),
    ]
    raw = jax.tree.map(jnp.asarray, tiny.split.take(np.arange(8)).arrays)

    def step(params, mask, key, rate):
        state = training.init_state(program, params, tiny.batch_stats, mask)
        run = training.RunData(key, jnp.float32(rate))
        return training.train_step(program, state, mask, run, raw)

    def on_one_device(fn):
        return jax.jit(lambda *a: jax.vmap(fn, in_axes=None, axis_name=parallel.AXIS,
                                           axis_size=1, out_axes=None)(*a))  # fmt: skip

    alone = [on_one_device(step)(*member) for member in members]
    stacked = [
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
        for parts in zip(*members, strict=True)
    ]
    together = on_one_device(jax.vmap(step))(*stacked)
    for index, expected in enumerate(alone):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        chex.assert_trees_all_close(member, expected, atol=2e-3, rtol=2e-3)
        np.testing.assert_array_equal(pruned_weights(member[0], members[index][1]), 0)


def test_linear_evaluation_trains_the_head_alone(tiny):
    state, _ = tiny.steps(tiny.program(trainable="head"), 3)
    frozen = {name: leaf for name, leaf in state.params.items() if name != training.HEAD}
    expected = masks.apply(tiny.mask, tiny.params)
    chex.assert_trees_all_equal(frozen, {name: expected[name] for name in frozen})
    assert (state.params["head"]["kernel"] != tiny.params["head"]["kernel"]).all()
    assert set(jax.tree.leaves(state.opt_state)[0].shape) <= {3, 8}


@pytest.mark.parametrize(("statistics", "moves"), [("batch", True), ("frozen", False)])
def test_normalisation_statistics_move_when_asked(tiny, statistics, moves):
    state, _ = tiny.steps(tiny.program(statistics=statistics), 1)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), state.batch_stats, tiny.batch_stats)
    assert set(jax.tree.leaves(changed)) == {moves}


def test_weight_decay_and_momentum_follow_the_closed_form():
    optimizer = training.make_optimizer(OptimizerConfig(momentum=0.9, weight_decay=0.1))
    weights = {"w": jnp.array([2.0])}
    state = optimizer.init(weights)
    first, state = optimizer.update({"w": jnp.array([1.0])}, state, weights)
    second, _ = optimizer.update({"w": jnp.array([1.0])}, state, weights)
    np.testing.assert_allclose(first["w"], 1 + 0.1 * 2, rtol=1e-6)
    np.testing.assert_allclose(second["w"], 0.9 * 1.2 + 1.2, rtol=1e-6)


def test_equal_programs_share_one_compilation(tiny):
    assert training.compiled(tiny.program()) is training.compiled(tiny.program())
    assert training.compiled(tiny.program()) is not training.compiled(tiny.program(batch_size=4))


def test_the_attack_is_differentiated_with_respect_to_the_images_only(tiny):
    """The work of PGD-K is (2K + 3) / 3 of a plain step's, counted by the compiler."""

    def flops(objective):
        program = tiny.program(objective=objective, transform=Transform())
        step = partial(training.train_step, program)
        state = training.init_state(program, tiny.params, tiny.batch_stats, tiny.mask)
        run = training.RunData(jax.random.key(0), jnp.float32(0.1))
        raw = tiny.split.take(np.arange(8)).arrays
        mapped = jax.vmap(step, in_axes=None, axis_name=parallel.AXIS, axis_size=1, out_axes=None)
        lowered = jax.jit(mapped).lower(state, tiny.mask, run, raw)
        return lowered.compile().cost_analysis()["flops"]

    ratio = flops(ROBUST) / flops(NATURAL)
    assert ratio == pytest.approx((2 * 2 + 3) / 3, rel=0.12)
