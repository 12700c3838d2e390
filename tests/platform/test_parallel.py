import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.platform import parallel


@pytest.fixture(params=["pmap", "shard_map"])
def mapping(request):
    return request.param


@pytest.mark.parametrize("count", [1, 2, 4])
def test_positions_and_totals_are_those_of_the_whole_batch(count, mapping):
    devices = parallel.local_devices(count, mapping)

    def fn(scale, part):
        where = parallel.positions(part.shape[0])
        return parallel.total((scale * part * where).sum())

    run = parallel.parallel(fn, in_axes=(None, 0), devices=devices)
    batch = np.arange(8.0) + 1
    result = run(jnp.float32(2), parallel.shard(batch, devices))
    assert result.shape == ()
    assert float(result) == 2 * (batch * np.arange(8)).sum()


def test_gathered_arrays_are_in_the_order_of_the_batch(mapping):
    devices = parallel.local_devices(4, mapping)
    run = parallel.parallel(parallel.gather, in_axes=(0,), devices=devices)
    batch = np.arange(8).reshape(8, 1)
    result = run(parallel.shard(batch, devices))
    np.testing.assert_array_equal(np.concatenate(result), batch)


def test_arguments_are_trees_with_keys_and_nothing(mapping):
    devices = parallel.local_devices(2, mapping)

    def fn(tree, nothing, key):
        assert nothing is None
        return {"drawn": jax.random.uniform(key) + tree["x"]}

    run = parallel.parallel(fn, in_axes=(0, 0, None), out_axes=0, devices=devices)
    key = jax.random.key(1)
    result = run({"x": np.float32([1, 2])}, None, key)
    np.testing.assert_allclose(result["drawn"], jax.random.uniform(key) + np.array([1, 2]))


def test_outputs_by_device_come_back_in_the_order_of_the_batch(mapping):
    devices = parallel.local_devices(4, mapping)
    run = parallel.parallel(lambda part: part + 1, in_axes=(0,), out_axes=0, devices=devices)
    batch = np.arange(8.0).reshape(8, 1)
    np.testing.assert_array_equal(np.concatenate(run(parallel.shard(batch, devices))), batch + 1)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_devices_share_every_micro_batch(count, mapping):
    devices = parallel.local_devices(count, mapping)
    batch = np.arange(24)
    parts = parallel.shard(batch, devices, micro=3)
    whole = np.concatenate([parts.reshape(count, 3, -1)[:, micro].ravel() for micro in range(3)])
    np.testing.assert_array_equal(whole, batch)

    def fn(part):
        return parallel.join(parallel.positions(len(part), 3), 3), parallel.join(part, 3)

    for found in parallel.parallel(fn, in_axes=(0,), devices=devices)(parts):
        np.testing.assert_array_equal(found, batch)


def test_shard_splits_any_axis():
    devices = parallel.local_devices(2)
    indices = np.arange(12).reshape(3, 4)
    parts = parallel.shard(indices, devices, axis=1)
    assert parts.shape == (2, 3, 2)
    np.testing.assert_array_equal(parts[1], indices[:, 2:])


def test_replicated_buffers_are_fresh_so_donation_leaves_the_original(mapping):
    original = jnp.arange(3.0)
    devices = parallel.local_devices(2, mapping)
    run = parallel.parallel(
        lambda x, part: parallel.mean(x + part.mean()),
        in_axes=(None, 0),
        devices=devices,
        donate=(0,),
    )
    copy = parallel.replicate(original, devices)
    result = run(copy, np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(result, [1, 2, 3])
    assert copy.is_deleted()
    np.testing.assert_array_equal(original, [0, 1, 2])


def test_keys_replicate():
    key = parallel.replicate(jax.random.key(3), parallel.local_devices(2))
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(3)).tolist()


def test_too_many_devices_are_named():
    with pytest.raises(InputError, match=r"9 devices .* 4"):
        parallel.local_devices(9)


@pytest.mark.parametrize("size", [0, 6])
def test_a_batch_that_does_not_divide_is_named(size):
    with pytest.raises(InputError, match=f"batch_size={size}"):
        parallel.check_batch_size(size, parallel.local_devices(4))


def test_devices_are_a_sequence_that_knows_its_mapping(mapping):
    devices = parallel.local_devices(4, mapping)
    assert devices[1:3].devices == tuple(devices)[1:3]
    assert devices[1:3].mapping == mapping
    assert devices[0].platform == "cpu"
    assert devices.local == devices


def test_mappings_do_not_share_what_is_compiled():
    first, second = (parallel.local_devices(2, mapping) for mapping in ("pmap", "shard_map"))
    assert first != second
    assert first == parallel.local_devices(2)
    assert hash(first) == hash(parallel.local_devices(2))


def test_with_one_process_all_devices_are_its_own():
    assert parallel.all_devices(3) == parallel.local_devices(3)
