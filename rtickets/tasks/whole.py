"""How a loss looks at the whole batch, of which a device has a part.

A loss that compares examples with each other, or weighs them by what all of them are, is handed
one of these as `reduce`. What it computes is then the same on any number of devices, and so are the
gradients: a step adds up those of all devices, each of the losses of its own examples, and they run
back through what was joined or added up to the device that it came from.
"""

from typing import Any, Protocol

import jax.numpy as jnp
from jax import Array

from rtickets.platform import parallel


class Reduce(Protocol):
    """The whole batch, as the device of some of its examples sees it."""

    def __call__(self, tree: Any) -> Any:
        """Return a pytree of sums over this device's examples added up over all devices."""
        ...

    def join(self, part: Array) -> Array:
        """Return arrays (b, ...) of this device's examples as those of all, (B, ...), in order."""
        ...

    def places(self, count: int) -> Array:
        """Return where among those of all its `count` examples are, int32 (b,)."""
        ...


class _Alone:
    """A batch that nobody else has a part of: everything is as it is."""

    def __call__(self, tree: Any) -> Any:
        return tree

    def join(self, part: Array) -> Array:
        return part

    def places(self, count: int) -> Array:
        return jnp.arange(count)


class _OverDevices:
    """Needs the axis `parallel.AXIS`; a batch is a micro-batch where a step takes several."""

    def __call__(self, tree: Any) -> Any:
        return parallel.total(tree)

    def join(self, part: Array) -> Array:
        return parallel.join(part)

    def places(self, count: int) -> Array:
        return parallel.positions(count)


alone: Reduce = _Alone()
over_devices: Reduce = _OverDevices()
