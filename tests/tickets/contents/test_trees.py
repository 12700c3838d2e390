"""What trees come back from a ticket, and which are refused: names, nesting, containers."""

import collections
import types
from typing import NamedTuple

import flax.struct
import jax
import numpy as np
import pytest
from flax.core import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

import rtickets
from rtickets import masks
from rtickets.errors import InputError
from rtickets.tickets.inspect import verify
from tests.tickets.contents.conftest import (
    KEEP,
    ONE,
    TREES,
    assert_refused,
    assert_same,
    names,
    saved,
)


class Layer(NamedTuple):
    kernel: object


@flax.struct.dataclass
class Struct:
    kernel: object


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_names_and_nesting_come_back(tmp_path, tree):
    mask = jax.tree.map(lambda _: KEEP, tree)
    loaded = saved(tmp_path, mask, tree, batch_stats=tree)
    assert_same(loaded.params, jax.tree.map(lambda leaf: np.where(KEEP, leaf, 0), tree))
    assert_same(loaded.batch_stats, tree)
    assert_same(loaded.mask, mask)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(tree)
    applied = masks.apply(loaded.mask, tree)
    assert_same(jax.tree.map(np.asarray, applied), loaded.params)
    verify(tmp_path / "t")


leaves = st.just(ONE) | st.just(np.zeros((2, 0), np.int8)) | st.just(np.float64(-0.0))
trees = st.recursive(
    leaves,
    lambda inner: (
        st.dictionaries(st.text("a/0", max_size=3), inner, max_size=3)
        | st.dictionaries(st.integers(-2, 12), inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda tree: isinstance(tree, dict))


@settings(max_examples=60, deadline=None)
@given(trees, trees)
def test_any_tree_comes_back_or_two_leaves_have_one_name(tmp_path_factory, params, batch_stats):
    path = tmp_path_factory.mktemp("any") / "t"
    mask = jax.tree.map(lambda leaf: np.zeros(leaf.shape, bool) if leaf.ndim else True, params)
    if any(len(set(found)) < len(found) for found in map(list, map(names, (params, batch_stats)))):
        with pytest.raises(InputError, match="two leaves"):
            rtickets.Ticket(mask, params, batch_stats).save(path)
        assert not path.exists()
        return
    rtickets.Ticket(mask, params, batch_stats).save(path)
    loaded = rtickets.Ticket.load(path)
    assert_same(loaded.params, jax.tree.map(lambda x: x * 0 if x.ndim else x, params))
    assert_same(loaded.batch_stats, batch_stats)


COLLISIONS = {
    "in the parameters": ({"a/b": ONE, "a": {"b": ONE}}, {}),
    "in the statistics": ({"a": ONE}, {"a/b": ONE, "a": {"b": ONE}}),
    "of integers": ({"a": {1: ONE}, "a/1": ONE}, {}),
}


@pytest.mark.parametrize(("params", "stats"), COLLISIONS.values(), ids=COLLISIONS)
def test_two_leaves_of_one_name_are_refused(tmp_path, params, stats):
    mask = jax.tree.map(lambda _: KEEP, params)
    assert_refused(tmp_path, ["two leaves", "a/"], mask, params, stats)


def test_keys_that_have_no_order_are_refused(tmp_path):
    assert_refused(tmp_path, ["keys", "order"], {1: True, "1": True}, {1: ONE, "1": ONE})


@pytest.mark.parametrize("key", [1.5, None, (1, 2), True, b"a"])
@pytest.mark.parametrize("where", ["params", "batch_stats"])
def test_keys_that_are_neither_text_nor_integers_are_refused(tmp_path, key, where):
    tree = {"a": {key: ONE}}
    params, stats = (tree, {}) if where == "params" else ({"k": ONE}, tree)
    mask = jax.tree.map(lambda _: True, params)
    assert_refused(tmp_path, [f"{where}/a", repr(key)], mask, params, stats)


CONTAINERS = {
    "a list": [ONE],
    "a tuple": (ONE, ONE),
    "a NamedTuple": Layer(ONE),
    "a struct": Struct(ONE),
    "an array": ONE,
}


@pytest.mark.parametrize("tree", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("where", ["params", "batch_stats"])
def test_containers_that_are_no_dictionaries_are_refused(tmp_path, tree, where):
    for name, value in ((where, tree), (f"{where}/layer", {"layer": tree})):
        if value is not tree and tree is ONE:
            continue  # as it should be
        params, stats = (value, {}) if where == "params" else ({"k": ONE}, value)
        mask = jax.tree.map(lambda _: KEEP, params)
        words = [name, type(tree).__name__, "nested dictionaries"]
        assert_refused(tmp_path, words, mask, params, stats)


@pytest.mark.parametrize("where", ["params", "batch_stats"])
def test_none_is_refused(tmp_path, where):
    params, stats = ({"a": None}, {}) if where == "params" else ({"k": ONE}, {"a": None})
    mask = jax.tree.map(lambda _: KEEP, params)
    assert_refused(tmp_path, [f"{where}/a", "NoneType"], mask, params, stats)


@pytest.mark.parametrize(
    "make", [FrozenDict, collections.OrderedDict, lambda tree: collections.defaultdict(dict, tree)]
)
def test_mappings_come_back_as_dictionaries(tmp_path, make):
    tree = make({"b": make({"kernel": ONE}), "a": make({})})
    loaded = saved(tmp_path, jax.tree.map(lambda _: KEEP, tree), tree, tree)
    assert_same(loaded.params, {"b": {"kernel": ONE * KEEP}, "a": {}})
    assert_same(loaded.batch_stats, {"b": {"kernel": ONE}, "a": {}})


def test_statistics_may_be_any_mapping(tmp_path):
    stats = types.MappingProxyType({"mean": ONE})
    assert_same(saved(tmp_path, {"k": KEEP}, {"k": ONE}, stats).batch_stats, {"mean": ONE})


@pytest.mark.parametrize("name", ["a\ud800", "__metadata__"])
def test_names_that_the_file_format_cannot_hold_are_refused(tmp_path, name):
    assert_refused(
        tmp_path, ["rename" if name == "__metadata__" else "name"], {name: KEEP}, {name: ONE}
    )
