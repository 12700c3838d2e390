"""Pruning under a floor: every layer keeps its part of all that lives, whatever others have."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets import masks
from rtickets.config import SearchingConfig
from rtickets.draw.searching.pruning import least_weights, pruned
from rtickets.draw.searching.settings import idle_reactivation
from rtickets.settings import config_files


def network(sizes, seed=0, dead=0):
    """Return layers whose weights differ by orders of magnitude, and the mask of what may live."""
    rng = np.random.default_rng(seed)
    params = {
        f"layer{n}": {"kernel": (10.0**-n * rng.normal(size=size)).astype(np.float32)}
        for n, size in enumerate(sizes)
    }
    channels = {
        name: {"kernel": np.ones(len(each["kernel"]), bool)} for name, each in params.items()
    }
    for each in channels.values():
        each["kernel"][:dead] = False
    return params, channels


def kept(mask):
    return {path: int(keep.sum()) for path, keep in masks.prunable_leaves(mask).items()}


@given(
    sizes=st.lists(st.integers(2, 60), min_size=1, max_size=8),
    sparsity=st.integers(0, 19).map(lambda n: n / 20),
    part=st.floats(0, 1),
    dead=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_every_layer_keeps_its_floor_and_exactly_so_many_live(sizes, sparsity, part, dead, seed):
    params, channels = network(sizes, seed, dead)
    floor = round(part * (1 - sparsity), 4)
    floor = min(floor, 1 - sparsity)
    found, living = kept(pruned(params, channels, sparsity, floor)), kept(channels)
    total = sum(living.values())
    assert sum(found.values()) == total - math.floor(round(sparsity * total, 6))
    up = {path: math.ceil(round(floor * n, 6)) for path, n in living.items()}
    down = {path: math.floor(round(floor * n, 6)) for path, n in living.items()}
    least = up if sum(up.values()) <= sum(found.values()) else down
    assert all(found[path] >= least[path] for path in found)
    assert least_weights(channels, sparsity, floor)[1:] == (least, least == up)
    for path, keep in masks.prunable_leaves(pruned(params, channels, sparsity, floor)).items():
        may, weights = masks.leaf_paths(channels)[path], np.abs(masks.leaf_paths(params)[path])
        assert not (keep & ~may).any()
        if keep.any() and (may & ~keep).any():  # the largest of a layer are those that live
            assert weights[keep].min() >= weights[may & ~keep].max()


def test_no_layer_dies_for_the_floor_of_those_before_it():
    """60, 6 and 6 weights of a twelfth each: rounded up they take all of the budget but one."""
    params, channels = network((60, 6, 6))
    assert kept(pruned(params, channels, 0.9, 0.08)) == {
        "layer0/kernel": 6, "layer1/kernel": 1, "layer2/kernel": 1,
    }  # fmt: skip
    even = kept(pruned(params, channels, 0.8, 0.2))  # 12, 2 and 2 of a budget of 15
    assert even == {"layer0/kernel": 13, "layer1/kernel": 1, "layer2/kernel": 1}


@pytest.mark.parametrize(("floor", "sparsity"), [(0.2, 0.8), (0.1, 0.9), (0.05, 0.95), (0.3, 0.7)])
def test_a_floor_may_be_all_that_the_sparsity_leaves(floor, sparsity):
    found = config_files.parse(SearchingConfig, {"floor": floor, "sparsity": sparsity})
    assert found.floor == floor


def test_where_nothing_comes_back_is_said():
    config = SearchingConfig(search_every="6ep", prune_every="3ep")
    assert idle_reactivation(config, 5, 3) is idle_reactivation(config, 4, 0) is None
    assert "search_every='6ep'" in idle_reactivation(config, 6, 3)
    assert "no channel dies" in idle_reactivation(config, 0, 3)
    for other in ("none", "explicit"):
        own = config_files.replace(config, reactivation=other)
        assert idle_reactivation(own, 6, 3) is None
