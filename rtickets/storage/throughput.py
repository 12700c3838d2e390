"""The lines of `throughput.jsonl`, see `observer`, as anybody may have left them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.storage.files import read_sound_lines

FILE = "throughput.jsonl"
_MOST = 10**15  # steps, seconds or images that make sense


class Line(NamedTuple):
    """What every line has: where a run was, and how fast the steps before it were.

    Attributes:
        step: where the run is.
        last_step: where it ends.
        time: seconds since 1970.
        steps: steps since the last line, at least one.
        seconds: that they took.
        compiled: whether compilation is among these.
        images_per_second: as it says.
    """

    step: int
    last_step: int
    time: float
    steps: int
    seconds: float
    compiled: bool
    images_per_second: float


def parse(values: Mapping[str, Any]) -> Line | None:
    """Return what a line says, or None for what is no line of ours."""
    line = Line(**{name: values.get(name) for name in Line._fields})  # type: ignore[arg-type]
    counts = (line.step, line.last_step, line.steps)
    numbers = (line.time, line.seconds, line.images_per_second)
    if not all(type(number) is int and 0 <= number <= _MOST for number in counts):
        return None
    if not all(type(number) in (int, float) and 0 <= number <= _MOST for number in numbers):
        return None
    return line if line.steps and isinstance(line.compiled, bool) else None


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the sound lines of a run folder's file, [] where there is none."""
    return [line for line in read_sound_lines(folder / FILE) if parse(line) is not None]
