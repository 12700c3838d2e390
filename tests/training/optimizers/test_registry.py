"""What holds for every optimiser."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import masks, training
from rtickets.config import OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.training import optimizer_arrays
from rtickets.training.optimizers import OPTIMIZERS

GROUPS = {"weight_decay_factors": (".*/bias=0",), "learning_rate_factors": ("head/.*=2",)}
names = pytest.mark.parametrize("name", OPTIMIZERS)


def settings(name, **fields):
    fields = {"learning_rate": 0.0, "weight_decay": 0.1, "schedule": "constant", **fields}
    return OptimizerConfig(name=name, **fields)


@names
def test_pruned_weights_and_what_is_remembered_of_them_stay_exactly_zero(small, pruned, name):
    optimizer = settings(name, clip_norm=0.5, **GROUPS)
    program = small.program(optimizer=optimizer, transform=Transform())
    state, losses = small.steps(program, 4, rate=0.01)
    np.testing.assert_array_equal(pruned(small.mask, state.params), 0)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, small.params)
    assert all(jax.tree.leaves(moved))
    assert np.isfinite(losses).all()
    moments = []
    optax.tree_utils.tree_map_params(
        optimizer.transform(), lambda leaf, keep: moments.append(np.where(keep, 0, leaf)),
        state.opt_state, small.mask,
    )  # fmt: skip
    assert len(moments) == optimizer.moments * len(jax.tree.leaves(small.params))
    for left in moments:
        np.testing.assert_array_equal(left, 0)


@names
def test_what_is_remembered_of_survivors_is_kept_and_the_rest_as_it_is(small, name):
    optimizer = settings(name).transform()
    state = optimizer.init(small.params)
    for _ in range(2):
        _, state = optimizer.update(small.params, state, small.params)
    arrays, alive = optimizer_arrays.to_arrays(optimizer, state, small.mask)
    kept = optimizer_arrays.from_arrays(
        optimizer, small.params, masks.apply(alive, arrays), "the folder"
    )
    expected = optax.tree_utils.tree_map_params(
        optimizer, lambda leaf, keep: leaf * keep, state, small.mask
    )
    chex.assert_trees_all_equal(kept, expected)
    with pytest.raises(InputError, match="the folder"):
        optimizer_arrays.from_arrays(optimizer, {"w": jnp.ones(3)}, arrays, "the folder")


@names
def test_factors_of_groups_are_those_of_the_first_expression_that_matches(name):
    params = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    gradients = jax.tree.map(lambda leaf: leaf * 0.5, params)

    def updates(**fields):
        optimizer = settings(name, **fields).transform()
        return optimizer.update(gradients, optimizer.init(params), params)[0]["a"]

    plain, faster = updates(), updates(learning_rate_factors=(".*bias=3", ".*=0.5"))
    np.testing.assert_allclose(faster["bias"], 3 * plain["bias"], rtol=1e-6)
    np.testing.assert_allclose(faster["kernel"], plain["kernel"] / 2, rtol=1e-6)
    undecayed = updates(weight_decay=0.0)
    some = updates(weight_decay_factors=("a/kernel=0",))
    np.testing.assert_allclose(some["kernel"], undecayed["kernel"], rtol=1e-6)
    np.testing.assert_allclose(some["bias"], plain["bias"], rtol=1e-6)
    chex.assert_trees_all_close(updates(weight_decay_factors=(".*=1",)), plain, rtol=1e-6)


@names
@pytest.mark.parametrize("field", GROUPS)
def test_expressions_that_match_nothing_are_named(name, field):
    optimizer = settings(name, **{field: ("stem/.*=0",)}).transform()
    params = {"a": {"kernel": jnp.ones(3)}}
    state = optimizer.init(params)
    with pytest.raises(InputError) as caught:
        optimizer.update(params, state, params)
    for part in (field, "stem/.*", "a/kernel"):
        assert part in str(caught.value)


@pytest.mark.parametrize("entry", ["bias", "(=0", ".*=-1", ".*=nan", ".*=x"])
def test_bad_factors_are_refused_before_anything_runs(entry):
    with pytest.raises(InputError) as caught:
        config_files.parse(OptimizerConfig, {"weight_decay_factors": [entry]})
    assert "weight_decay_factors" in str(caught.value)
    assert entry in str(caught.value)


@names
def test_settings_survive_being_stored(name):
    optimizer = settings(name, **GROUPS)
    assert config_files.parse(OptimizerConfig, config_files.to_dict(optimizer)) == optimizer
    short = config_files.to_dict(optimizer, exclude_defaults=True)
    assert config_files.parse(OptimizerConfig, short) == optimizer


def test_a_field_of_another_optimiser_is_named_with_those_that_have_it():
    with pytest.raises(InputError) as caught:
        config_files.parse(OptimizerConfig, {"name": "adamw", "momentum": 0.5})
    for part in ("momentum", "'adamw'", "sgd, lars, rmsprop", "beta1"):
        assert part in str(caught.value)
    with pytest.raises(InputError) as caught:
        config_files.parse(OptimizerConfig, {"name": "adagrad"})
    for part in ("name='adagrad'", "'adamw'", "'lars'"):
        assert part in str(caught.value)


def test_adamw_moves_by_the_sign_of_the_first_gradient_and_decays_apart_from_it():
    optimizer = training.make_optimizer(settings("adamw", weight_decay=0.1))
    weights = {"w": jnp.array([4.0, -2.0])}
    first, state = optimizer.update({"w": jnp.array([3.0, -7.0])}, optimizer.init(weights), weights)
    np.testing.assert_allclose(first["w"], [1 + 0.4, -1 - 0.2], rtol=1e-5)
    second, _ = optimizer.update({"w": jnp.array([0.0, -7.0])}, state, weights)
    mean, square = 0.1 * 0.9 * 3 / (1 - 0.81), 0.001 * 0.999 * 9 / (1 - 0.999**2)
    np.testing.assert_allclose(second["w"], [mean / np.sqrt(square) + 0.4, -1.2], rtol=1e-4)


def test_adam_has_its_penalty_in_the_gradient():
    optimizer = settings("adam", weight_decay=0.5).transform()
    weights = {"w": jnp.array([4.0, -2.0])}
    first, _ = optimizer.update({"w": jnp.array([-1.0, 0.5])}, optimizer.init(weights), weights)
    np.testing.assert_allclose(first["w"], [1, -1], rtol=1e-5)  # signs of g + 0.5 w


def test_rmsprop_divides_by_the_root_and_then_has_momentum():
    """Two steps of one weight by hand, the small number inside the root."""
    optimizer = settings("rmsprop", weight_decay=0.5, epsilon=0.01, alpha=0.8).transform()
    weights, state = {"w": jnp.array([2.0])}, None
    state, square, moved = optimizer.init(weights), 0.0, 0.0
    for slope in (3.0, -1.0):
        updates, state = optimizer.update({"w": jnp.array([slope])}, state, weights)
        whole = slope + 0.5 * 2
        square = 0.8 * square + 0.2 * whole**2
        moved = 0.9 * moved + whole / np.sqrt(square + 0.01)
        np.testing.assert_allclose(updates["w"], [moved], rtol=1e-5)


def test_lars_scales_a_layer_by_the_norm_of_its_masked_weights():
    weights = {"a": {"kernel": jnp.array([3.0, 4.0, 12.0]), "bias": jnp.array([2.0])}}
    mask = {"a": {"kernel": np.array([True, True, False]), "bias": np.True_}}
    gradients = {"a": {"kernel": jnp.array([0.0, 1.0, 5.0]), "bias": jnp.array([7.0])}}
    optimizer = settings("lars", weight_decay=0.5, trust=0.01).transform()
    alive = masks.apply(mask, weights)
    state = optimizer.init(alive)
    updates, state = optimizer.update(masks.apply(mask, gradients), state, alive)
    decayed = np.array([1.5, 3.0])  # g + 0.5 w; the weights' norm is 5
    expected = 0.01 * 5 / np.linalg.norm(decayed) * decayed
    np.testing.assert_allclose(updates["a"]["kernel"], [*expected, 0], rtol=1e-6)
    np.testing.assert_allclose(updates["a"]["bias"], [7.0 + 0.5 * 2.0], rtol=1e-6)
    again, _ = optimizer.update(masks.apply(mask, gradients), state, alive)
    np.testing.assert_allclose(again["a"]["kernel"], [*(1.9 * expected), 0], rtol=1e-6)


def test_a_layer_without_living_weights_does_not_move():
    optimizer = settings("lars").transform()
    nothing = {"kernel": jnp.zeros(4)}
    updates, _ = optimizer.update(nothing, optimizer.init(nothing), nothing)
    np.testing.assert_array_equal(updates["kernel"], 0)
