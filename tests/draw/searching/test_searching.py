"""Channels of a supernet: what is tied, what it costs, what removal changes; pruning the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.draw.searching import channels, shrinking
from rtickets.draw.searching.pruning import empty_layers, pruned
from rtickets.draw.searching.settings import SearchingConfig, check_length
from rtickets.errors import InputError
from rtickets.models.inputs import as_inputs
from rtickets.models.supernet import Joined, Stage, Supernet, Table
from rtickets.settings import config_files
from rtickets.tickets.multiply_adds import shapes_and_places
from rtickets.training.sparse_scales import add_penalty

TABLE = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
SHAPE = (16, 16, 1)
PATH = "stage1_branch1_block1/path3_depthwise_norm/scale"


@pytest.fixture(scope="module")
def network():
    model = Supernet(3, TABLE)
    params, stats = jax.device_get(models.initialise(model, jax.random.key(0), SHAPE))
    shake = jax.random.split(jax.random.key(1), 400)
    leaves, structure = jax.tree.flatten(params)
    moved = [
        np.asarray(leaf + 0.3 * jax.random.normal(key, leaf.shape))
        for leaf, key in zip(leaves, shake, strict=False)
    ]
    return model, jax.tree.unflatten(structure, moved), stats


def some_dead(params, count=3):
    alive = channels.all_alive(params)
    alive[PATH] = np.arange(len(alive[PATH])) >= count
    return alive


def test_every_path_is_found_and_a_channel_costs_its_column_filter_and_row(network):
    model, params, _ = network
    tied = channels.find(params)
    assert len(tied) == 3  # a fusion, a block, the trunk
    _, places = shapes_and_places(model, as_inputs(SHAPE))
    found = channels.costs_per_channel(params, places)
    # 4 inputs, 9 taps and 4 outputs at each of 4 x 4 places
    assert found == dict.fromkeys(tied, (4 + 9 + 4) * 16)
    with pytest.raises(InputError, match="supernet_small"):
        channels.find({"conv": {"kernel": np.ones(3)}})


def test_weights_of_the_penalty_are_costs_over_their_mean(network):
    _, params, _ = network
    alive = some_dead(params)
    costs = {path: 10 * (n + 1) for n, path in enumerate(alive)}
    counted = channels.all_alive(params)
    found = channels.penalty_weights(0.5, costs, alive, counted)
    assert set(found) == set(channels.find(params))
    for path, weights in found.items():
        np.testing.assert_allclose(weights, 0.5 * costs[path] / 20 * alive[path], rtol=1e-6)
    equal = channels.penalty_weights(0.5, costs, alive, counted, equal=True)
    assert all((equal[path] == np.float32(0.5) * alive[path]).all() for path in alive)


def test_the_penalty_is_that_of_scales_alone_and_rises():
    params = {"norm": {"scale": jnp.array([2.0, -3.0, 0.0])}, "other": jnp.ones(2)}
    weights = {"norm/scale": jnp.array([0.1, 0.2, 0.5])}
    zero = jax.tree.map(jnp.zeros_like, params)
    total, slopes = add_penalty(weights, params, zero, jnp.int32(1), 4)
    assert float(total) == pytest.approx(0.5 * (0.2 + 0.6))
    np.testing.assert_allclose(slopes["norm"]["scale"], [0.05, -0.1, 0.0])
    np.testing.assert_array_equal(slopes["other"], 0)
    assert float(add_penalty(weights, params, zero, jnp.int32(9), 4)[0]) == pytest.approx(0.8)


def test_a_channel_lives_by_either_scale_and_in_the_end_by_the_average():
    alive = {"a": np.array([True, True, True, False])}
    now, average = {"a": np.array([1.0, 0, 0, 1])}, {"a": np.array([0.0, 1, 1e-4, 1])}
    assert shrinking.alive_after(now, average, alive, 1e-3)["a"].tolist() == [1, 1, 0, 0]
    last = shrinking.alive_after(now, average, alive, 1e-3, last=True)
    assert last["a"].tolist() == [0, 1, 0, 0]
    assert shrinking.freed(alive, last, {"a": 7}) == 14
    cut = shrinking.within_budget(average, alive, {"a": 7}, 8)
    assert cut["a"].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(("scale", "apart"), [(0.0, 1e-5), (1e-3, 0.02)])
def test_removal_takes_the_constant_along_and_changes_no_more_than_the_scale(network, scale, apart):
    model, params, stats = network
    alive, after = channels.all_alive(params), some_dead(params)
    small = jax.tree.map(np.copy, params)
    small["stage1_branch1_block1"]["path3_depthwise_norm"]["scale"][:3] = scale
    small["stage1_branch1_block1"]["path3_depthwise_norm"]["bias"][:3] = (0.7, -0.5, 2.0)
    x = jax.random.uniform(jax.random.key(2), (2, *SHAPE))
    without = channels.without_dead(small, after)
    moved = shrinking.without_constants(small, stats, alive, after, jax.nn.relu)
    before = models.logits(model, small, stats, x)
    np.testing.assert_allclose(models.logits(model, without, moved, x), before, atol=apart)
    assert float(jnp.abs(models.logits(model, without, stats, x) - before).max()) > 0.05
    # under statistics of the batch the constant does not count
    either = [models.training_logits(model, p, stats, x)[0] for p in (small, without)]
    np.testing.assert_allclose(either[0], either[1], atol=max(apart, 1e-4))


def test_exactly_so_many_weights_of_living_channels_live(network):
    _, params, _ = network
    whole = masks.full(params)
    living = channels.mask_of(params, some_dead(params), whole)
    total = masks.summary(living, params).prunable.survivors
    # 3 channels of 4 inputs, 9 taps and 4 outputs less
    assert total == masks.summary(whole, params).prunable.survivors - 3 * 17
    for sparsity in (0.0, 0.3, 0.9):
        mask = pruned(params, living, sparsity)
        assert masks.summary(mask, params).prunable.survivors == total - int(sparsity * total)
        assert all(
            (kept <= open_to).all()
            for kept, open_to in zip(jax.tree.leaves(mask), jax.tree.leaves(living), strict=True)
        )
    scaled = {**params, "stem_conv1": jax.tree.map(lambda leaf: leaf * 1e-6, params["stem_conv1"])}
    assert empty_layers(pruned(scaled, living, 0.9), living) == ["stem_conv1/kernel"]
    floored = pruned(scaled, living, 0.8, 0.1)
    assert empty_layers(floored, living) == []
    assert floored["stem_conv1"]["kernel"].sum() == 4  # of 36
    assert masks.summary(floored, params).prunable.survivors == total - int(0.8 * total)


def test_the_staircase_never_exceeds_its_target():
    config = SearchingConfig(sparsity=0.35)
    assert [config.sparsity_at(n) for n in range(1, 6)] == [0.1, 0.2, 0.3, 0.35, 0.35]
    check_length(config, "100ep", 4)
    with pytest.raises(InputError, match=r"prune_every='25ep'.*3 events.*0\.3, not 0\.35"):
        check_length(config, "75ep", 3)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"search_every": "0ep", "prune_every": "0ep"}, "never"),
        ({"search_every": "0ep", "budget": 5}, "budget=5"),
        ({"floor": 0.5, "sparsity": 0.8}, r"floor=0\.5"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields, said):
    with pytest.raises(InputError, match=said):
        config_files.parse(SearchingConfig, fields)
