import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import parallel
from rtickets.errors import InputError


@pytest.mark.parametrize("count", [1, 2, 4])
def test_positions_and_totals_are_those_of_the_whole_batch(count):
    devices = parallel.local_devices(count)

    def fn(scale, part):
        where = parallel.positions(part.shape[0])
        return parallel.total((scale * part * where).sum())

    run = parallel.parallel(fn, in_axes=(None, 0), devices=devices)
    batch = np.arange(8.0) + 1
    result = run(jnp.float32(2), parallel.shard(batch, devices))
    assert result.shape == ()
    assert float(result) == 2 * (batch * np.arange(8)).sum()


def test_outputs_by_device_come_back_in_the_order_of_the_batch():
    devices = parallel.local_devices(4)
    run = parallel.parallel(lambda part: part + 1, in_axes=(0,), out_axes=0, devices=devices)
    batch = np.arange(8.0).reshape(8, 1)
    np.testing.assert_array_equal(np.concatenate(run(parallel.shard(batch, devices))), batch + 1)


def test_shard_splits_any_axis():
    devices = parallel.local_devices(2)
    indices = np.arange(12).reshape(3, 4)
    parts = parallel.shard(indices, devices, axis=1)
    assert parts.shape == (2, 3, 2)
    np.testing.assert_array_equal(parts[1], indices[:, 2:])


def test_replicated_buffers_are_fresh_so_donation_leaves_the_original():
    original = jnp.arange(3.0)
    devices = parallel.local_devices(2)
    run = parallel.parallel(
        lambda x, part: parallel.mean(x + part.mean()),
        in_axes=(None, 0),
        devices=devices,
        donate=(0,),
    )
    result = run(parallel.replicate(original, devices), np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(result, [1, 2, 3])
    np.testing.assert_array_equal(original, [0, 1, 2])


def test_keys_replicate():
    key = parallel.replicate(jax.random.key(3), parallel.local_devices(2))
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(3)).tolist()


def test_too_many_devices_are_named():
    with pytest.raises(InputError, match="9 devices were asked for, this host has 4"):
        parallel.local_devices(9)


@pytest.mark.parametrize("size", [0, 6])
def test_a_batch_that_does_not_divide_is_named(size):
    with pytest.raises(InputError, match=f"batch_size={size}"):
        parallel.check_batch_size(size, parallel.local_devices(4))
