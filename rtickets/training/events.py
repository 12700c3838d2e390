"""Events: what changes a run between two steps, such as a mask, on the host.

They happen after the step of their number and before its validation and checkpoint, so that a run
that goes on from a checkpoint has had them. One that is done again, as its run was stopped before
the next checkpoint, must do the same again: it is a function of the state, the mask and the step.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from rtickets.masks import Mask
from rtickets.training.state import TrainState


class Events(Protocol):
    """What happens when."""

    @property
    def periods(self) -> Sequence[int]:
        """Numbers of steps; something may happen after every multiple of one, and in the end."""
        ...

    @property
    def once(self) -> Sequence[int]:
        """Steps after which something may happen besides."""
        ...

    def happen(self, step: int, last: int, state: TrainState, mask: Mask) -> tuple[Any, Mask]:
        """Return the state and the mask after the events of a step, the same where there are none.

        Args:
            step: number of steps done.
            last: that of the whole run.
            state: what steps change, on the host.
            mask: which weights live, likewise.
        """
        ...
