"""The only place that knows how functions run on several devices.

State, weights and data are replicated and carry no device axis; the batch carries a leading axis of
one shard per device. A mapped function must reduce (`mean`, `total`) or collect (`gather`)
everything that it returns, because replication of its outputs is declared, not checked.

With several processes, each passes and receives the arrays of its own devices: replicated ones
whole, of sharded ones its part. Only mapped functions and `rtickets.platform.processes`
communicate.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rtickets.errors import InputError
from rtickets.platform.devices import Devices as Devices
from rtickets.platform.devices import Mapping as Mapping
from rtickets.platform.devices import all_devices as all_devices
from rtickets.platform.devices import local_devices as local_devices
from rtickets.platform.processes import is_primary as is_primary

AXIS = "devices"


def parallel(
    fn: Callable[..., Any],
    *,
    in_axes: tuple[int | None, ...],
    out_axes: int | None = None,
    devices: Devices,
    donate: Sequence[int] = (),
) -> Callable[..., Any]:
    """Compile a function to run on all devices at once.

    Args:
        fn: the function one device runs; collectives use the axis name `AXIS`.
        in_axes: 0 for arguments with a leading device axis, None for replicated ones.
        out_axes: 0 for outputs that differ by device, None for reduced ones, which carry no device
            axis.
        donate: positions of arguments whose buffers may be reused.
    """
    if devices.mapping == "shard_map":
        return _shard_map(fn, in_axes, out_axes, devices, tuple(donate))
    return jax.pmap(
        fn,
        axis_name=AXIS,
        in_axes=in_axes,
        out_axes=out_axes,
        devices=devices.devices,
        donate_argnums=tuple(donate),
    )


def _shard_map(
    fn: Callable[..., Any],
    in_axes: tuple[int | None, ...],
    out_axes: int | None,
    devices: Devices,
    donate: tuple[int, ...],
) -> Callable[..., Any]:
    """Return what `jax.pmap` would, made of `jax.shard_map`."""
    mesh = _mesh(devices)
    in_specs = tuple(_spec(axis) for axis in in_axes)
    out_spec = _spec(out_axes)

    def on_block(*blocks: Any) -> Any:
        """Take the device axis, of size 1 in a block, off the arguments and put it back."""
        pairs = zip(blocks, in_axes, strict=True)
        arguments = [
            block if axis is None else jax.tree.map(lambda leaf: leaf[0], block)
            for block, axis in pairs
        ]
        result = fn(*arguments)
        return result if out_axes is None else jax.tree.map(lambda leaf: leaf[None], result)

    # Without `check_vma` gradients are summed by `total` alone, as under `pmap`.
    mapped = jax.shard_map(
        on_block, mesh=mesh, in_specs=in_specs, out_specs=out_spec, check_vma=False
    )
    shardings = tuple(NamedSharding(mesh, spec) for spec in in_specs)
    run = jax.jit(mapped, in_shardings=shardings, donate_argnums=donate)
    if len(devices.local) == len(devices):
        return run

    # Callers hand over what is local, as under `pmap`; jit takes arrays over all processes.
    def across_processes(*arguments: Any) -> Any:
        whole = [
            multihost_utils.host_local_array_to_global_array(argument, mesh, spec)
            for argument, spec in zip(arguments, in_specs, strict=True)
        ]
        return multihost_utils.global_array_to_host_local_array(run(*whole), mesh, out_spec)

    return across_processes


def _mesh(devices: Devices) -> Mesh:
    return Mesh(np.asarray(devices.devices), (AXIS,))


def _spec(axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(AXIS)


def replicate(tree: Any, devices: Devices) -> Any:
    """Copy a pytree of arrays or numbers to every device of this process.

    The buffers are fresh, so that they may be donated: `device_put` alone may return the caller's.
    """
    sharding = NamedSharding(_mesh(devices.local), PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(jnp.array(leaf, copy=True), sharding), tree)


def spread(tree: Any, devices: Devices) -> Any:
    """Split the examples of host arrays over the devices of this process, for functions of `jit`.

    Args:
        tree: arrays (B, ...), B a multiple of the number of these devices.
    """
    sharding = NamedSharding(_mesh(devices.local), PartitionSpec(AXIS))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, sharding), tree)


def gathered(tree: Any) -> Any:
    """Return a pytree whose arrays that lie in parts on several devices are whole on one."""

    def whole(leaf: Any) -> Any:
        split = isinstance(leaf, jax.Array) and not leaf.is_fully_replicated
        return jnp.asarray(np.asarray(leaf)) if split else leaf

    return jax.tree.map(whole, tree)


def shard(batch: np.ndarray, devices: Devices, axis: int = 0, micro: int = 1) -> np.ndarray:
    """Split the examples of a host array over D devices, L of them of this process.

    Args:
        axis: position of the examples.
        micro: consecutive micro-batches that the batch is made of; D times their number must divide
            the number of examples.

    Returns:
        The array with a leading axis of L and its examples divided by D, device d of D holding the
        d-th consecutive part of every micro-batch, one after the other. So D devices make the same
        micro-batches as one.
    """
    here = jax.process_index()
    shares = [np.split(each, len(devices), axis) for each in np.split(batch, micro, axis)]
    parts = zip(devices, zip(*shares, strict=True), strict=True)
    own = [np.concatenate(part, axis) for device, part in parts if device.process_index == here]
    return np.stack(own)


def own_part(batch: np.ndarray, devices: Devices, axis: int = 0) -> np.ndarray:
    """Return the examples on `axis` of this process, those of all its devices beside each other."""
    return np.concatenate(list(shard(batch, devices, axis)), axis)


def put(parts: np.ndarray, devices: Devices) -> Any:
    """Begin to copy an array to this process's L devices, a part of its leading axis each."""
    return jax.device_put(parts, NamedSharding(_mesh(devices.local), PartitionSpec(AXIS)))


def check_batch_size(batch_size: int, devices: Devices) -> None:
    """Raise InputError unless the devices divide the batch."""
    if batch_size < 1 or batch_size % len(devices):
        raise InputError(
            f"batch_size={batch_size} does not divide over {len(devices)} devices; "
            f"choose a multiple of {len(devices)}"
        )


def positions(per_device: int, micro: int = 1) -> Array:
    """Return where in the whole batch, int32, the examples are that `shard` gave this device."""
    share = per_device // micro
    starts = (jnp.arange(micro) * jax.lax.axis_size(AXIS) + jax.lax.axis_index(AXIS)) * share
    return (starts[:, None] + jnp.arange(share)).ravel()


def mean(tree: Any) -> Any:
    """Average a pytree over the devices."""
    return jax.lax.pmean(tree, AXIS)


def total(tree: Any) -> Any:
    """Add a pytree up over the devices."""
    return jax.lax.psum(tree, AXIS)


def gather(tree: Any) -> Any:
    """Put the devices' arrays beside each other, in a leading axis, the same on all devices."""
    return jax.lax.all_gather(tree, AXIS)


def join(part: Array, micro: int = 1) -> Array:
    """Return the whole batch that `shard` split, the same on all devices."""
    parts = part.reshape(micro, -1, *part.shape[1:])
    return jax.lax.all_gather(parts, AXIS, axis=1, tiled=True).reshape(-1, *part.shape[1:])
