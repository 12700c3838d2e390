"""TensorBoard event files, a copy of the numbers in `metrics.jsonl` and `throughput.jsonl`.

The files are written again from those two when a run goes on, so that no point is there twice,
whatever a killed run had written.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.errors import InputError
from rtickets.storage import guarded

FOLDER = "tensorboard"
_NOT_PLOTTED = {"step", "last_step", "time", "steps", "compiled"}


def check_installed() -> None:
    """Raise InputError unless event files can be written."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise InputError(
            "TensorBoard files need tensorboardX: pip install 'rtickets[tensorboard]', or leave "
            "--tensorboard out"
        )


class EventFile:
    """The event file of one run."""

    def __init__(self, folder: Path) -> None:
        """Start an empty file in a run's folder, in the place of earlier ones."""
        from tensorboardX import SummaryWriter

        guarded.remove(folder / FOLDER)
        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=0)

    def write(self, group: str, line: Mapping[str, Any], time: float) -> None:
        """Add the numbers of a line at its step.

        Args:
            group: what comes before the slash in the names of the curves.
            line: numbers by name, among them 'step'; those of a nested dictionary are a group of
                their own.
            time: when they were measured, in seconds since 1970.
        """
        for name, value in line.items():
            if isinstance(value, Mapping):
                self.write(name, {**value, "step": line["step"]}, time)
            elif name not in _NOT_PLOTTED and isinstance(value, int | float):
                self._writer.add_scalar(f"{group}/{name}", value, line["step"], walltime=time)

    def replay(
        self, group: str, lines: Sequence[Mapping[str, Any]], times: Mapping[int, float]
    ) -> None:
        """Add the lines of an earlier part of the run, at the times when steps were measured."""
        time = min(times.values(), default=0.0)  # of a step that was not measured, that before it
        for line in (line for line in lines if isinstance(line.get("step"), int)):
            time = times.get(line["step"], time)
            self.write(group, line, time)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
