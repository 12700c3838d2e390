"""The devices that take part in a run, of one process or of several."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, overload

import jax

from rtickets.errors import InputError

Mapping = Literal["pmap", "shard_map"]


@dataclass(frozen=True)
class Devices(Sequence[jax.Device]):
    """The devices that take part, in the order of the shards, and how functions are mapped.

    Attributes:
        devices: of all processes, those of a process beside each other.
        mapping: functions are mapped by 'pmap' or by 'shard_map', with the same results.
    """

    devices: tuple[jax.Device, ...]
    mapping: Mapping = "pmap"

    def __len__(self) -> int:
        return len(self.devices)

    @overload
    def __getitem__(self, index: int) -> jax.Device: ...
    @overload
    def __getitem__(self, index: slice) -> "Devices": ...
    def __getitem__(self, index: int | slice) -> "jax.Device | Devices":
        found = self.devices[index]
        return replace(self, devices=found) if isinstance(found, tuple) else found

    @property
    def local(self) -> "Devices":
        """Those of this process."""
        here = jax.process_index()
        return replace(self, devices=tuple(d for d in self.devices if d.process_index == here))


def local_devices(count: int | None = None, mapping: Mapping = "pmap") -> Devices:
    """Return devices of this process, all unless `count` says how many.

    Raises:
        InputError: if there are fewer.
    """
    found = tuple(jax.local_devices())
    if count is not None and not 1 <= count <= len(found):
        raise InputError(f"{count} devices were asked for, this host has {len(found)}")
    return Devices(found[:count], mapping)


def all_devices(count: int | None = None, mapping: Mapping = "pmap") -> Devices:
    """Return devices of all processes, as many of each, the same in every process.

    Args:
        count: how many over all processes, or None for all.

    Raises:
        InputError: if there are fewer, or processes would have different numbers of them.
    """
    processes = jax.process_count()
    if processes == 1:
        return local_devices(count, mapping)
    # The shards of a process lie beside each other, whatever the order of `jax.devices()`.
    found = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    sizes = Counter(device.process_index for device in found)
    if len(set(sizes.values())) > 1:
        numbers = ", ".join(f"{size} in process {process}" for process, size in sizes.items())
        raise InputError(f"processes have different numbers of devices: {numbers}; give all alike")
    each = sizes[0] if count is None else count // processes
    if count is not None and (count % processes or not 1 <= each <= sizes[0]):
        raise InputError(
            f"{count} devices were asked for, expected a multiple of the {processes} processes, "
            f"at most {len(found)}"
        )
    chosen = [d for first in range(0, len(found), sizes[0]) for d in found[first : first + each]]
    return Devices(tuple(chosen), mapping)
