"""Whatever a ticket holds comes back as it was, or is refused before anything is written."""

import collections
import json
import types
from pathlib import Path
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

import rtickets
from rtickets import masks
from rtickets.errors import InputError
from rtickets.tickets.inspect import verify

GOLDEN = Path(__file__).parents[1] / "golden"
ONE = np.arange(1, 4, dtype=np.float32)
KEEP = np.array([True, False, True])
NAN = np.array([0x7FC00001, 0xFFC12345, 0x7F800000], np.uint32).view(np.float32)


class Layer(NamedTuple):
    kernel: object


@flax.struct.dataclass
class Struct:
    kernel: object


def saved(tmp_path, mask, params, batch_stats=None, meta=None):
    path = tmp_path / "t"
    stats = {} if batch_stats is None else batch_stats
    rtickets.Ticket(mask, params, stats, meta or {}).save(path)
    return rtickets.Ticket.load(path)


def assert_same(found, given):
    """Compare dictionaries to the last bit, keys with their types."""
    assert type(found) is dict
    assert sorted(map(repr, found)) == sorted(map(repr, given))
    for key, value in given.items():
        if isinstance(value, dict):
            assert_same(found[key], value)
        else:
            expected = np.asarray(value)
            assert (found[key].dtype, found[key].shape) == (expected.dtype, expected.shape)
            assert found[key].tobytes() == expected.tobytes()


def assert_refused(tmp_path, words, mask, params, batch_stats=None, meta=None):
    with pytest.raises(InputError) as refusal:
        saved(tmp_path, mask, params, batch_stats, meta)
    assert all(word in str(refusal.value) for word in words), refusal.value
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


TREES = {
    "integers": {"layers": {0: {"kernel": ONE}, 1: {"kernel": ONE + 1}, 10: {"kernel": ONE + 2}}},
    "integers at the top": {0: ONE, -3: ONE + 1},
    "digits": {"layers": {"0": ONE, "01": ONE + 1}},
    "integers here and digits there": {"a": {0: ONE}, "b": {"0": ONE}},
    "slashes": {"mlp/~/linear_0": {"w": ONE, "b": ONE + 1}, "mlp/~/linear_1": {"w": ONE + 2}},
    "odd slashes": {"/": ONE, "a/": {"/b": ONE + 1}, "//": {"": ONE + 2}},
    "no names": {"": {"": ONE, "a": ONE + 1}},
    "words of the format": {
        "params": {"params": ONE, "batch_stats": ONE},
        "batch_stats": {"mean": ONE},
        "__metadata__": {"__metadata__": ONE},
        "shapes": ONE,
        "sha256": ONE,
        "meta": ONE,
        "keys": {"empty": ONE},
        "all": ONE,
        "scores": ONE,
        "value": ONE,
    },
    "dots and others": {
        "a.b": ONE,
        "a": {"b": ONE},
        "ü ": ONE,
        "a\nb": ONE,
        "~0~1": ONE,
        "\x1b": ONE,
    },
    "empty dictionaries": {"a": {}, "b": {"c": {}, "kernel": ONE}, "d/e": {}, "f": {3: {}}},
    "only an empty dictionary": {"a": {}},
    "nothing": {},
}


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


def names(tree, above=""):
    for key, value in tree.items():
        yield from names(value, f"{above}{key}/") if isinstance(value, dict) else [f"{above}{key}"]


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


DTYPES = [
    *(bool, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, np.complex64),
    *(jnp.bfloat16, jnp.float8_e4m3fn, jnp.float8_e5m2),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_numbers_of_every_type_that_files_can_hold_come_back(tmp_path, dtype):
    size = np.dtype(dtype).itemsize
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2 if dtype is bool else 256, (40, size), np.uint8)
    leaf = bits.view(dtype).reshape(5, 8)  # among them NaNs of all kinds and both zeros
    keep = generator.random((5, 8)) < 0.5
    loaded = saved(tmp_path, {"k": keep, "b": True}, {"k": leaf, "b": leaf[0]}, {"s": leaf[1, 1]})
    expected = leaf.copy()
    expected[~keep] = 0
    assert_same(loaded.params, {"k": expected, "b": leaf[0]})
    assert_same(loaded.batch_stats, {"s": leaf[1, 1]})


REFUSED = {
    "complex128": np.ones(3, np.complex128),
    "longdouble": np.ones(3, np.longdouble),
    "float8_e8m0fnu": np.ones(3, jnp.float8_e8m0fnu),
    "int4": np.ones(3, jnp.int4),
    "object": np.array([1, None, 2]),
    "<U1": np.array(["a", "b", "c"]),
    "datetime64": np.array([1, 2, 3], "datetime64[s]"),
    "[('a'": np.zeros(3, [("a", np.float32)]),
    "key<fry>": jax.random.split(jax.random.key(0), 3),
    "MaskedArray": np.ma.array(ONE, mask=KEEP),
    "ShapeDtypeStruct": jax.ShapeDtypeStruct((3,), np.float32),
    "float": 1.5,
    "str": "weights",
}


@pytest.mark.parametrize(("word", "leaf"), REFUSED.items(), ids=REFUSED)
@pytest.mark.parametrize("where", ["params", "batch_stats"])
def test_leaves_that_files_cannot_hold_are_named(tmp_path, word, leaf, where):
    if word == "longdouble":
        word = np.dtype(np.longdouble).name
    params, stats = ({"a": leaf}, {}) if where == "params" else ({"k": ONE}, {"a": leaf})
    mask = jax.tree.map(lambda _: True, params)
    assert_refused(tmp_path, [f"{where}/a", word], mask, params, stats)


def test_arrays_that_are_gone_are_named(tmp_path):
    gone = jnp.ones(3)
    gone.delete()
    assert_refused(tmp_path, ["params/a", "deleted"], {"a": True}, {"a": gone})


@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_changes_no_value(tmp_path, order):
    leaf = np.array([1.5, -2, 3], f"{order}f4")
    loaded = saved(tmp_path, {"k": KEEP, "b": True}, {"k": leaf, "b": leaf})
    assert_same(loaded.params, {"k": np.float32([1.5, 0, 3]), "b": np.float32([1.5, -2, 3])})


def test_what_is_no_number_comes_back_and_pruned_weights_are_positive_zero(tmp_path):
    weights = np.concatenate([NAN, NAN, [-np.inf, np.inf, -0.0, -0.0, 1, -1]], dtype=np.float32)
    keep = np.array([1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1], bool)
    loaded = saved(tmp_path, {"k": keep, "b": True}, {"k": weights, "b": weights})
    assert_same(loaded.params, {"k": np.where(keep, weights, np.float32(0)), "b": weights})


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 2, 2), (1, 1, 1)])
def test_small_arrays_come_back(tmp_path, shape):
    leaf = np.full(shape, -0.0, np.float32)
    params = {"a": leaf, "b": leaf, "c": {"scalar": np.float32(2)}}
    mask = {"a": np.ones(shape, bool) if shape else True, "b": True, "c": {"scalar": True}}
    loaded = saved(tmp_path, mask, params, {"s": leaf})
    assert_same(loaded.params, params)
    assert_same(loaded.batch_stats, {"s": leaf})


def test_arrays_on_several_devices_come_back(tmp_path):
    mesh = jax.make_mesh((len(jax.devices()),), ("d",))
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("d"))
    leaf = jax.device_put(jnp.arange(16.0).reshape(8, 2), place)
    assert len(leaf.sharding.device_set) > 1
    keep = jax.device_put(leaf % 3 == 0, place)
    loaded = saved(tmp_path, {"k": keep, "b": True}, {"k": leaf, "b": leaf})
    weights = np.arange(16, dtype=np.float32).reshape(8, 2)
    assert_same(loaded.params, {"k": np.where(weights % 3 == 0, weights, 0), "b": weights})


@pytest.mark.parametrize("name", ["a\ud800", "__metadata__"])
def test_names_that_the_file_format_cannot_hold_are_refused(tmp_path, name):
    assert_refused(
        tmp_path, ["rename" if name == "__metadata__" else "name"], {name: KEEP}, {name: ONE}
    )


META = {
    "in a tuple": ({"shape": (1, np.int64(2))}, ["meta.shape.1", "int64"]),
    "float32": ({"a": {"b": [1, np.float32(1)]}}, ["meta.a.b.1", "float32"]),
    "int64": ({"a": np.int64(1)}, ["meta.a", "int64"]),
    "bool of NumPy": ({"a": np.True_}, ["meta.a", "bool"]),
    "array": ({"a": np.ones(2)}, ["meta.a", "ndarray"]),
    "NaN": ({"a": [float("nan")]}, ["meta.a.0", "nan"]),
    "infinity": ({"a": -float("inf")}, ["meta.a", "-inf"]),
    "integer key": ({"a": {1: 2}}, ["meta.a", "1"]),
    "None as key": ({None: 2}, ["meta", "None"]),
    "True as key": ({True: 2}, ["meta", "True"]),
    "set": ({"a": {1}}, ["meta.a", "set"]),
    "bytes": ({"a": b"b"}, ["meta.a", "bytes"]),
    "path": ({"a": Path("b")}, ["meta.a", "PosixPath"]),
    "mapping": ({"a": FrozenDict({})}, ["meta.a", "FrozenDict"]),
    "huge number": ({"a": 10**5000}, ["meta"]),
    "list": (["a"], ["meta", "list"]),
}


@pytest.mark.parametrize(("meta", "words"), META.values(), ids=META)
def test_what_json_would_change_is_refused(tmp_path, meta, words):
    assert_refused(tmp_path, words, {"k": KEEP}, {"k": ONE}, {}, meta)


def test_tuples_of_meta_come_back_as_lists(tmp_path):
    meta = {"shape": (1, ({"a": ()}, 2))}
    found = saved(tmp_path, {"k": KEEP}, {"k": ONE}, {}, meta).meta
    assert found == {"shape": [1, [{"a": []}, 2]]}


def test_a_meta_without_an_end_is_refused(tmp_path):
    meta: dict = {"a": []}
    meta["a"].append(meta["a"])
    assert_refused(tmp_path, ["meta"], {"k": KEEP}, {"k": ONE}, {}, meta)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
def test_any_other_meta_comes_back(tmp_path_factory, meta):
    path = tmp_path_factory.mktemp("meta")
    found = saved(path, {"k": KEEP}, {"k": ONE}, {}, meta).meta
    assert repr(found) == repr(meta)


CHANGES = {
    "weights": lambda arrays: {"params/k": arrays["params/k"] + 1},
    "types": lambda arrays: {"params/k": arrays["params/k"].astype(np.float16)},
    "statistics": lambda arrays: {"batch_stats/s": -arrays["batch_stats/s"]},
    "names": lambda arrays: {"params/more": ONE},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_does_not_read_back_as_it_was_gets_no_name(tmp_path, monkeypatch, change):
    write = rtickets.tickets.ticket.tensors.to_bytes

    def wrong(arrays):
        return write({**arrays, **change(arrays)} if "params/k" in arrays else arrays)

    monkeypatch.setattr("rtickets.tickets.ticket.tensors.to_bytes", wrong)
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE}, {"s": ONE * 0})


def test_a_mask_that_does_not_read_back_as_it_was_gets_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "rtickets.masks.pack", lambda mask: {"k": np.packbits(np.array([True, True, False]))}
    )
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE})


@pytest.mark.parametrize(
    "change", [{"meta": {"a": 2}}, {"keys": {}, "empty": [["params", "b"]], "version": 2}]
)
def test_a_description_that_does_not_read_back_as_it_was_gets_no_name(
    tmp_path, monkeypatch, change
):
    write = rtickets.tickets.ticket.write_json
    monkeypatch.setattr(
        "rtickets.tickets.ticket.write_json", lambda path, text: write(path, {**text, **change})
    )
    assert_refused(tmp_path, ["reads back"], {"k": KEEP}, {"k": ONE}, {}, {"a": 1})


def test_tickets_of_version_1_are_read():
    folder = GOLDEN / "ticket_v1"
    assert json.loads((folder / "ticket.json").read_text())["version"] == 1
    ticket = verify(folder)
    keep = np.arange(24).reshape(2, 3, 4) % 3 == 0
    weights = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)
    assert_same(
        ticket.params,
        {
            "conv": {"kernel": weights * keep, "bias": np.arange(4).astype(jnp.bfloat16)},
            "head": {"kernel": np.arange(8, dtype=np.float16).reshape(4, 2)},
            "temperature": np.float32(0.5),
        },
    )
    true = np.ones((), bool)
    mask = {"conv": {"kernel": keep, "bias": true}, "head": {"kernel": true}, "temperature": true}
    assert_same(ticket.mask, mask)
    assert_same(ticket.batch_stats, {"norm": {"mean": np.arange(3, dtype=np.float64)}})
    assert ticket.meta == {"task": "tëst", "mean": [0.5]}


def test_a_ticket_of_plain_names_is_one_of_version_1_to_the_byte(tmp_path):
    rtickets.Ticket.load(GOLDEN / "ticket_v1").save(tmp_path / "t")
    for file in (GOLDEN / "ticket_v1").iterdir():
        assert (tmp_path / "t" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["integers", "slashes", "empty dictionaries", "nothing"])
def test_version_2_saves_again_to_the_same_bytes(tmp_path, name):
    tree = TREES[name]
    rtickets.Ticket(jax.tree.map(lambda _: KEEP, tree), tree).save(tmp_path / "a")
    rtickets.Ticket.load(tmp_path / "a").save(tmp_path / "b")
    assert json.loads((tmp_path / "a" / "ticket.json").read_text())["version"] == 2
    for file in (tmp_path / "a").iterdir():
        assert (tmp_path / "b" / file.name).read_bytes() == file.read_bytes()
