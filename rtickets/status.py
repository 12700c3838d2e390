"""What the run folders say about themselves: stages, progress, time left. Nothing is computed.

Only files are read, without JAX, so that this runs beside trainings and on a login node.
"""

import json
import os
import re
import socket
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rtickets.errors import InputError
from rtickets.metrics import read_sound_lines

_FOLDER = re.compile(r"[a-z]+-.+-[0-9a-f]{10}")
_HOLDER = re.compile(r"process (\d+) on (.*)")
_RECENT = 20  # cells that tell how long one takes


class Status(NamedTuple):
    """A stage or study, as its folder shows it.

    Attributes:
        folder: name of the folder.
        state: 'complete', 'running' or 'stopped', from where the same command goes on. A study is
            'running' while any stage of the working directory is.
        done: training steps done, for a study what it has measured, or None where nothing is
            counted.
        total: how many there will be, or None.
        seconds_left: until then, or None where that is not known.
        images_per_second: the last throughput of a training, or None.
        idle_seconds: since the folder changed last.
    """

    folder: str
    state: str
    done: int | None
    total: int | None
    seconds_left: float | None
    images_per_second: float | None
    idle_seconds: float


class _Count(NamedTuple):
    done: int | None = None
    total: int | None = None
    seconds_each: float | None = None
    last: float = 0.0  # when one was done last
    images_per_second: float | None = None


def read_status(workdir: Path) -> list[Status]:
    """Look at all run folders.

    Args:
        workdir: where they lie.

    Returns:
        A status for each: the studies, then the stages, each in the order they began.

    Raises:
        InputError: if there is no such folder.
    """
    if not workdir.is_dir():
        raise InputError(f"{workdir} is no folder; give the --workdir of the runs")
    configs = [
        path for path in workdir.glob("*/config.json") if _FOLDER.fullmatch(path.parent.name)
    ]
    folders = [path.parent for path in sorted(configs, key=lambda path: path.stat().st_mtime)]
    studies = [folder for folder in folders if folder.name.startswith("study-")]
    stages = [_stage(folder) for folder in folders if folder not in studies]
    running = any(stage.state == "running" for stage in stages)
    return [*(_study(folder, running) for folder in studies), *stages]


def _stage(folder: Path) -> Status:
    lines = read_sound_lines(folder / "throughput.jsonl")
    count = _Count()
    if lines:
        line = lines[-1]
        each = line["seconds"] / line["steps"]
        if len(lines) > 1 and not line["compiled"]:  # validation and checkpoints take time as well
            before = lines[-2]
            each = (line["time"] - before["time"]) / (line["step"] - before["step"])
        rate = line["images_per_second"]
        count = _Count(line["step"], line["last_step"], each, line["time"], rate)
    return _status(folder, count, _is_held(folder))


def _study(folder: Path, running: bool) -> Status:
    units = folder / "units.json"
    if not units.is_file():
        return _status(folder, _Count(), running)
    settled = [*(folder / "done").glob("*"), *(folder / "failed").glob("[0-9]*")]
    times = sorted(path.stat().st_mtime for path in settled)
    total = len(json.loads(units.read_text()))
    pauses = [after - before for before, after in pairwise(times)][-_RECENT:]
    each = statistics.median(pauses) if pauses else None
    return _status(folder, _Count(len(times), total, each, times[-1] if times else 0.0), running)


def _status(folder: Path, count: _Count, running: bool) -> Status:
    now = time.time()
    state = "running" if running else "stopped"
    if (folder / "COMPLETE").is_file():
        state = "complete"
    left = None
    if state == "running" and count.seconds_each is not None:
        assert count.done is not None
        assert count.total is not None
        left = max((count.total - count.done) * count.seconds_each - (now - count.last), 0.0)
    changed = max(_changed(path) for path in (folder, *folder.iterdir()))
    idle = max(now - changed, 0.0)
    rate = count.images_per_second
    return Status(folder.name, state, count.done, count.total, left, rate, idle)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # a temporary file of a process at work
        return 0.0


def _is_held(folder: Path) -> bool:
    """Whether a process is at work in a folder; on another host, whether it has not ended well."""
    try:
        holder = _HOLDER.match((folder / ".lock").read_text())
    except FileNotFoundError:
        return False
    if holder is None or holder[2] != socket.gethostname():
        return True
    try:
        os.kill(int(holder[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def as_text(found: Sequence[Status]) -> str:
    """Return one aligned line per folder."""
    if not found:
        return "nothing has been run here"
    width = max(len(status.folder) for status in found)
    return "\n".join(
        f"{one.folder:{width}}  {one.state:8}  {_describe(one)}".rstrip() for one in found
    )


def _describe(status: Status) -> str:
    parts = []
    if status.done is not None and status.total is not None:
        unit = "measured" if status.folder.startswith("study-") else "steps"
        share = status.done / max(status.total, 1)
        parts.append(f"{status.done:,} of {status.total:,} {unit} ({share:.0%})")
    if status.images_per_second is not None:
        parts.append(f"{status.images_per_second:,.0f} images/s")
    if status.seconds_left is not None:
        parts.append(f"about {duration(status.seconds_left)} left")
    if status.state == "running":
        parts.append(f"last change {duration(status.idle_seconds)} ago")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration as a person would say it, such as '2 h 5 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
