"""What training takes along from step to step besides weights, such as a second encoder.

A task with a memory has its state in `TrainState.carry`, the same on all devices: it is in every
checkpoint, and a run that was killed goes on with it bit for bit.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rtickets.masks import Mask, Params
from rtickets.tasks.whole import Reduce

Forward = Callable[[Params, Any, Any], tuple[Any, Any]]


class Memory(Protocol):
    """A memory; all but `start` is traced."""

    def start(self, weights: Params, batch_stats: Any) -> Any:
        """Return the first state of a network's masked weights and statistics."""
        ...

    def set_back(self, held: Any, fresh: Any) -> Any:
        """Return the state of a network that goes on after its weights were set back.

        Args:
            held: the state before.
            fresh: what `start` returns of the network as it is now. A copy of weights is taken from
                it, what remembers examples stays.
        """
        ...

    def advance(self, held: Any, weights: Params, mask: Mask) -> Any:
        """Return the state at the beginning of a step.

        Args:
            held: the state after the step before.
            weights: the masked weights that the step begins with.
            mask: their mask; what the state holds of pruned weights becomes zero.
        """
        ...

    def recall(
        self, held: Any, forward: Forward, batch: Mapping[str, Any], reduce: Reduce
    ) -> tuple[Any, dict[str, Any]]:
        """Return the state after a batch or micro-batch, and the batch with what the loss needs.

        Args:
            held: the state.
            forward: (weights, statistics, inputs) -> (outputs, new statistics), as the network is
                trained; nothing is drawn.
            batch: this device's examples.
            reduce: the whole batch; the state has to be the same on all devices.
        """
        ...
