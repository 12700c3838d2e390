"""The only place that knows about devices.

State, weights and data are replicated and carry no device axis; the batch carries a leading axis of
one shard per device. A mapped function must reduce (`mean`, `total`) everything it returns, because
replication of its outputs is declared, not checked.
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

AXIS = "devices"
Devices = tuple[jax.Device, ...]


def local_devices(count: int | None = None) -> Devices:
    """Return the devices that take part.

    Args:
        count: how many, or None for all of this host.

    Returns:
        A tuple of devices of the default backend.

    Raises:
        InputError: if this host has fewer.
    """
    found = tuple(jax.local_devices())
    if count is not None and not 1 <= count <= len(found):
        raise InputError(f"{count} devices were asked for, this host has {len(found)}")
    return found[:count]


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
        out_axes: 0 for outputs that differ by device, None for reduced ones.
        devices: the devices.
        donate: positions of arguments whose buffers may be reused.

    Returns:
        The compiled function; with `out_axes=None` its outputs carry no device axis.
    """
    return jax.pmap(
        fn,
        axis_name=AXIS,
        in_axes=in_axes,
        out_axes=out_axes,
        devices=devices,
        donate_argnums=tuple(donate),
    )


def replicate(tree: Any, devices: Devices) -> Any:
    """Copy a pytree to every device.

    Args:
        tree: pytree of arrays or numbers.
        devices: the devices.

    Returns:
        The pytree as replicated jax arrays, fresh buffers that may be donated.
    """
    sharding = NamedSharding(Mesh(np.asarray(devices), (AXIS,)), PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(jnp.array(leaf, copy=True), sharding), tree)


def shard(batch: np.ndarray, devices: Devices, axis: int = 0) -> np.ndarray:
    """Split the examples of a host array over the devices.

    Args:
        batch: array with its examples on `axis`.
        devices: D devices; D must divide the number of examples.
        axis: position of the examples.

    Returns:
        The array with a leading axis of D and its examples divided by D, device d holding the d-th
        consecutive part.
    """
    return np.stack(np.split(batch, len(devices), axis))


def check_batch_size(batch_size: int, devices: Devices) -> None:
    """Raise InputError unless the devices divide the batch."""
    if batch_size < 1 or batch_size % len(devices):
        raise InputError(
            f"batch_size={batch_size} does not divide over {len(devices)} devices; "
            f"choose a multiple of {len(devices)}"
        )


def positions(per_device: int) -> Array:
    """Return the positions in the whole batch of this device's examples, (per_device,) int32."""
    return jax.lax.axis_index(AXIS) * per_device + jnp.arange(per_device)


def mean(tree: Any) -> Any:
    """Average a pytree over the devices."""
    return jax.lax.pmean(tree, AXIS)


def total(tree: Any) -> Any:
    """Add a pytree up over the devices."""
    return jax.lax.psum(tree, AXIS)


def gather(tree: Any) -> Any:
    """Join the devices' parts along the first axis, in the order of `positions`."""
    return jax.lax.all_gather(tree, AXIS, tiled=True)


def is_primary() -> bool:
    """Return whether this process is the one that writes files."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Wait until every process is here.

    Args:
        name: the same in every process, for error messages.
    """
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def broadcast(tree: Any) -> Any:
    """Return the primary process's pytree of host arrays in every process.

    Args:
        tree: pytree of the same structure, shapes and dtypes in every process.

    Returns:
        The primary's values as numpy arrays.
    """
    if jax.process_count() == 1:
        return tree
    return multihost_utils.broadcast_one_to_all(tree)
