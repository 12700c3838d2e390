"""What a way of drawing is: frozen settings that make a ticket of a network.

An entry of the registry is a subclass of `WayConfig` with the fields that only it has, and with
`run`, which leaves a folder with a ticket behind as every stage does. What a draw has in common
with all others (sparsity, pattern, scope, data, seed, training) is in the `DrawConfig` that it is
given as `config` (`rtickets.stages.draw_settings`); which of that it reads, and what it needs of
it, are attributes. So checks, dry runs, studies and controls know no way by name.

To add one, write a subclass in a file of its own and announce it in
`rtickets.stages.ways.registry`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket
from rtickets.settings.kinds import STRICT
from rtickets.settings.variants import Variant


@dataclass(frozen=True, config=STRICT)
class WayConfig(Variant):
    """A way of drawing; see the head of this file for the contract.

    Attributes:
        name: which way.
    """

    family: ClassVar[str] = "method"
    entries: ClassVar[dict[str, Any]] = {}

    # What others may ask of a way; subclasses say otherwise.
    trains = False  # it needs `DrawConfig.train`, and so reads the task
    by_criterion = False  # it takes any `criterion` and N:M patterns; others go by magnitude
    scopes: ClassVar[tuple[str, ...]] = ("global", "uniform", "erk")
    unused: ClassVar[tuple[str, ...]] = ()  # fields of `DrawConfig` that it does not read
    in_states = False  # a ticket is a state on the way to those of a higher sparsity

    @property
    def inherits(self) -> bool:
        """Whether a ticket's weights are those of the network that it is drawn from."""
        return True

    def problems(self, config: Any) -> Iterator[str]:
        """Yield what keeps it from drawing, in words, before anything runs."""
        yield from ()

    def states(self, sparsity: float, removed: float) -> int:
        """Return how often it trains on the way to a sparsity, for dry runs.

        Args:
            sparsity: of the ticket.
            removed: fraction of the prunable weights that the network has lost already.
        """
        del sparsity, removed
        return 1

    def schedule(self, train: Any) -> Any:
        """Return a training as long as each of them is, for dry runs.

        Args:
            train: `DrawConfig.train`.
        """
        return train

    def check_run(self, config: Any, steps_per_epoch: int) -> None:
        """Raise InputError for what only the length of an epoch shows, before a study begins."""

    def run(
        self,
        config: Any,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> RunFolder:
        """Draw the ticket; see `rtickets.stages.stage.Stage.run`."""
        raise NotImplementedError

    def dense(
        self,
        config: Any,
        source: StartingTicket,
        workdir: Path,
        name: str,
        devices: parallel.Devices,
    ) -> StartingTicket:
        """Return the network whose weights the ticket's are, which controls get some of back."""
        del config, workdir, name, devices
        return source
