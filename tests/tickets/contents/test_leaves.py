"""Which arrays come back from a ticket, and which are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tickets.contents.conftest import KEEP, ONE, assert_refused, assert_same, saved

NAN = np.array([0x7FC00001, 0xFFC12345, 0x7F800000], np.uint32).view(np.float32)
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
