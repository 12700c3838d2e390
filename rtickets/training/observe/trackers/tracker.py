"""What a tracker is.

A tracker holds a copy of what run folders hold, for people who look elsewhere. It is opened once
when a training run begins or goes on, is given all earlier lines again, and then every new one; and
once more when a stage or study is done, for what came out. It may fail at any of this: see
`rtickets.training.observe.trackers.opened`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

_NOT_PLOTTED = {"step", "last_step", "time", "steps", "compiled"}


class Outcome(NamedTuple):
    """What a finished run leaves.

    Attributes:
        values: numbers of `result.json` by dotted path.
        pictures: PNG files by name.
        documents: other files for people, such as the results page.
        ticket: the folder of the ticket, None where there is none.
        digest: SHA-256 of its `ticket.json`, which holds those of its other files; '' without one.
    """

    values: Mapping[str, float]
    pictures: Mapping[str, Path]
    documents: Mapping[str, Path]
    ticket: Path | None
    digest: str


class Tracker(Protocol):
    """The copy of one run."""

    def write(self, values: Mapping[str, float], step: int, time: float) -> None:
        """Add a point to some curves.

        Args:
            values: finite and other numbers by the name of their curve, such as 'train/loss'.
            step: of the run. An earlier call may have had the same step, and a run that goes on
                gives its earlier points again, which must not be there twice.
            time: when they were measured, in seconds since 1970.
        """

    def finish(self, outcome: Outcome) -> None:
        """Add what came out of the run."""

    def flush(self) -> None:
        """Hand on what was written."""

    def close(self) -> None:
        """End the copy; nothing follows."""


class Opening(NamedTuple):
    """What a tracker is opened for.

    Attributes:
        folder: the run's folder.
        name: of the run, the same whenever it is opened.
        config: its configuration, as `config.json` has it.
        again: whether curves follow from the first point on, so that those that are there can go;
            False where only the outcome follows.
    """

    folder: Path
    name: str
    config: Mapping[str, Any]
    again: bool


class Kind(NamedTuple):
    """An entry of `TRACKERS`.

    Attributes:
        package: that it imports.
        extra: what `pip install 'rtickets[EXTRA]'` calls it.
        open: opens the copy of a run.
    """

    package: str
    extra: str
    open: Callable[[Opening], Tracker]


def numbers_of(group: str, line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the curves and values of a line of metrics.

    Args:
        group: what comes before the slash in the names of the curves; those of a nested dictionary
            are a group of their own.
        line: numbers by name; what is none is left out, and so is what says where the run is.
    """
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from numbers_of(name, value)
        elif name not in _NOT_PLOTTED and isinstance(value, int | float):
            yield f"{group}/{name}", value
