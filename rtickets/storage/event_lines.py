"""The lines of `events.jsonl`: what changed a run between two of its steps, as it went.

A line for the begin, of step 0, and one for every event. They depend on the run alone, so that one
that was killed and goes on leaves the same.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.storage.files import read_sound_lines, write_text

FILE = "events.jsonl"
_MOST = 10**15  # steps that make sense


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Return the sound lines of a run folder's file, [] where there is none."""
    return [line for line in read_sound_lines(folder / FILE) if _is_ours(line)]


def saved_step(folder: Path) -> int:
    """Return the step of a run folder's newest checkpoint, 0 where there is none."""
    names = [path.name for path in (folder / "checkpoints").glob("*")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def begin_events(folder: Path, last_step: int) -> None:
    """Begin the lines of a run, or go on with those of its newest checkpoint and before.

    Args:
        last_step: where the run ends.
    """
    done = saved_step(folder)
    kept = [each for each in read_events(folder) if each["step"] <= done]
    _write(folder, kept or [{"step": 0, "last_step": last_step, "events": []}])


def write_event(folder: Path, line: Mapping[str, Any]) -> None:
    """Write a line in the place of those of its step and of later ones, which a killed run left.

    Args:
        folder: of the run.
        line: with `step`, where the run is, and `last_step`, where it ends.
    """
    kept = [each for each in read_events(folder) if each["step"] < line["step"]]
    _write(folder, [*kept, line])


def _write(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    write_text(folder / FILE, "".join(json.dumps(each) + "\n" for each in lines))


def _is_ours(line: Mapping[str, Any]) -> bool:
    numbers = (line.get("step"), line.get("last_step"))
    return all(type(number) is int and 0 <= number <= _MOST for number in numbers)
