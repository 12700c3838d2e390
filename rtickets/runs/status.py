"""What the run folders say about themselves: stages, progress, time left. Nothing is computed.

Only files are read, without JAX, so that this runs beside trainings and on a login node.
"""

import json
import os
import re
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError, printable
from rtickets.runs import failures
from rtickets.storage import guarded, throughput, workdirs
from rtickets.storage.event_lines import FILE, read_events, saved_step
from rtickets.storage.run_files import COMPLETE, LOCK

_FOLDER = re.compile(r"[a-z]+-.+-[0-9a-f]{10}", re.DOTALL)
_HOLDER = re.compile(r"process (\d+) on (.*)")
_CONFIG = "config.json"
_STUDIES = ("study-", "pipelines-")  # folders of several runs that are counted
_LONGEST_HOLDER = 1000  # bytes
_RECENT = 20  # cells that tell how long one takes


class Status(NamedTuple):
    """A stage or study, as its folder shows it.

    Attributes:
        folder: name of the folder.
        state: 'complete', 'running' or 'stopped', from where the same command goes on; 'failed'
            where a training diverged, which is tried again when asked alone. A study is 'running'
            while any stage of the working directory is. 'damaged' where the folder cannot be read
            or holds what is none of ours.
        done: training steps done, for a study what it has measured, or None where nothing is
            counted.
        total: how many there will be, or None.
        seconds_left: until then, or None where that is not known.
        images_per_second: the last throughput of a training, or None.
        idle_seconds: since the folder changed last.
        problem: what is damaged, or what the stage failed with, or None.
        failed: how many of a study's cells and source networks failed.
        event: the last event of a search, or None.
        seconds_at_work: since the stage began or went on, while it runs; None of studies.
        doing: what a training that has no line of metrics yet does, or None.
    """

    folder: str
    state: str
    done: int | None
    total: int | None
    seconds_left: float | None
    images_per_second: float | None
    idle_seconds: float
    problem: str | None = None
    failed: int = 0
    event: str | None = None
    seconds_at_work: float | None = None
    doing: str | None = None


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
        InputError: if there is no such folder, or it is that of a run.
    """
    if not workdir.is_dir():
        raise InputError(f"{workdir} is no folder; give that of the runs: rtickets status WORKDIR")
    if _FOLDER.fullmatch(workdir.absolute().name) and _has_begun(workdir):
        raise InputError(
            f"{workdir} is one run; give the folder it lies in: rtickets status WORKDIR"
        )
    workdirs.refresh_progress(workdir)
    found = [path for path in workdir.iterdir() if _FOLDER.fullmatch(path.name)]
    folders = sorted(filter(_has_begun, found), key=lambda path: _changed(path / _CONFIG))
    studies = [folder for folder in folders if is_study(folder.name)]
    stages = [_whatever_it_holds(_stage, folder) for folder in folders if folder not in studies]
    running = any(stage.state == "running" for stage in stages)
    study = partial(_study, running=running)
    return [*(_whatever_it_holds(study, folder) for folder in studies), *stages]


def is_study(name: str) -> bool:
    """Return whether a folder of this name counts what it has measured."""
    return name.startswith(_STUDIES)


def _has_begun(folder: Path) -> bool:
    try:
        return bool((folder / _CONFIG).lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # says itself what it is
        return True


def _whatever_it_holds(look: Callable[[Path], Status], folder: Path) -> Status:
    """Look at a folder; one that is damaged, or may not be read, says so and hides no other."""
    try:
        return look(folder)
    except (InputError, OSError) as error:
        idle = max(time.time() - _changed(folder), 0.0)
        return Status(folder.name, "damaged", None, None, None, None, idle, printable(error))


def _stage(folder: Path) -> Status:
    # A transfer with a ladder of learning rates has a training in every folder of `rungs`.
    trainings = [_lines(one) for one in sorted(folder.glob("rungs/*")) or [folder]]
    count = _Count()
    begun = [lines for lines in trainings if lines]
    if begun:
        lines = max(begun, key=lambda lines: lines[-1].time)
        line = lines[-1]
        each = line.seconds / line.steps
        if len(lines) > 1 and not line.compiled and line.step > lines[-2].step:
            before = lines[-2]  # validation and checkpoints take time as well
            each = (line.time - before.time) / (line.step - before.step)
        done = sum(lines[-1].step for lines in begun)
        total = line.last_step * len(trainings)
        count = _Count(done, total, each, line.time, line.images_per_second)
    found = _with_events(folder, _status(folder, count, _is_held(folder)))
    if found.state == "running":
        found = _at_work(folder, found, count.last)
    reason = failures.reason_of(folder) if found.state == "stopped" else None
    return found if reason is None else found._replace(state="failed", problem=printable(reason))


def _with_events(folder: Path, found: Status) -> Status:
    """Return the status with what a run says besides its lines, which come epoch by epoch."""
    events = read_events(folder)
    total = events[-1]["last_step"] if events else found.total
    if total is None or found.state == "complete" or (folder / "rungs").is_dir():
        return found
    happened = events[-1]["step"] if events else 0
    done = max(found.done or 0, happened, saved_step(folder))
    event = _said(events[-1]) if happened else None
    return found._replace(done=min(done, total), total=total, event=event)


def _at_work(folder: Path, found: Status, last: float) -> Status:
    """Return the status of a stage that runs with how long, and what it does before its lines.

    Every start writes the configuration anew, and every training then the begin of its events.
    """
    began, events = _changed(folder / _CONFIG), folder / FILE
    compiles = len(read_events(folder)) == 1 and _changed(events) > max(last, began - 1)
    doing = "compiling, or in its first steps" if compiles else None
    return found._replace(seconds_at_work=max(time.time() - began, 0.0), doing=doing)


def _said(line: Mapping[str, Any]) -> str:
    """Return what happened in an event, as far as its line has it."""
    parts = [f"step {line['step']:,}"]
    if isinstance(sparsity := line.get("sparsity"), float):
        parts.append(f"{sparsity:.0%} of the weights pruned")
    match line.get("channels"):
        case [int(alive), int(every)]:
            parts.append(f"{alive:,} of {every:,} channels")
    return ", ".join(parts)


def _lines(folder: Path) -> list[throughput.Line]:
    return [line for one in throughput.read_lines(folder) if (line := throughput.parse(one))]


def _study(folder: Path, running: bool) -> Status:
    units = folder / "units.json"
    if not units.is_file():
        return _status(folder, _Count(), running)
    times = sorted(_changed(path) for path in (folder / "done").glob("*"))
    total = _length_of_list(units)
    pauses = [after - before for before, after in pairwise(times)][-_RECENT:]
    each = statistics.median(pauses) if pauses else None
    count = _Count(len(times), total, each, times[-1] if times else 0.0)
    failed = sum(1 for _ in (folder / "failed").glob("[0-9]*"))
    return _status(folder, count, running)._replace(failed=failed)


def _length_of_list(file: Path) -> int:
    try:
        values = json.loads(guarded.read_bytes(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file.name} is damaged: {error}") from None
    if not isinstance(values, list):
        raise InputError(f"{file.name} is damaged: it holds no list")
    return len(values)


def _status(folder: Path, count: _Count, running: bool) -> Status:
    now = time.time()
    state = "running" if running else "stopped"
    if (folder / COMPLETE).is_file():
        state = "complete"
    left = None
    if state == "running" and count.seconds_each is not None:
        assert count.done is not None
        assert count.total is not None
        # Counted from the last line, not from now: between two lines time passes, too.
        left = max((count.total - count.done) * count.seconds_each - (now - count.last), 0.0)
    changed = max(_changed(path) for path in (folder, *folder.iterdir()))
    idle = max(now - changed, 0.0)
    rate = count.images_per_second
    return Status(folder.name, state, count.done, count.total, left, rate, idle)


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # a temporary file of a process at work, or a folder that may not be read
        return 0.0


def _is_held(folder: Path) -> bool:
    """Whether a process is at work in a folder; on another host, whether it has not ended well."""
    try:
        text = guarded.read_bytes(folder / LOCK, _LONGEST_HOLDER).decode(errors="replace")
    except FileNotFoundError:
        return False
    holder = _HOLDER.match(text)
    if holder is None or holder[2] != socket.gethostname():
        return True
    try:
        os.kill(int(holder[1]), 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        pass
    return True
