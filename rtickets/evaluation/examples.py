"""A network and the examples that it is measured on."""

from typing import Any, NamedTuple

from rtickets import models
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.masks import Params
from rtickets.platform import parallel
from rtickets.platform.short_repr import with_short_repr
from rtickets.tasks import Classification, Task


@with_short_repr
class Network(NamedTuple):
    """A network ready to predict.

    Attributes:
        model: the linen module.
        params: its weights, masked already.
        batch_stats: its normalisation statistics.
    """

    model: models.Model
    params: Params
    batch_stats: Any


@with_short_repr
class Examples(NamedTuple):
    """A split on the devices, or streamed, with what is done to its images there.

    Attributes:
        split: the examples, on the host.
        transform: from stored pixels to the network's input.
        devices: where to compute.
        task: what the examples ask.
        data: their arrays on every device; None if the images stay on disk.
    """

    split: Split
    transform: Transform
    devices: parallel.Devices
    task: Task
    data: dict[str, Any] | None

    @property
    def streamed(self) -> bool:
        """Whether the images stay on disk."""
        return self.data is None


def on_devices(
    split: Split,
    transform: Transform,
    devices: parallel.Devices,
    task: Task | None = None,
) -> Examples:
    """Copy a split to the devices for any number of predictions, unless it is streamed.

    A task of None is to classify the examples.
    """
    data = None if split.streamed else parallel.replicate(split.arrays, devices)
    return Examples(split, transform, devices, task or Classification(), data)
