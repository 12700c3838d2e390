"""How many runs are trained at once: measured, kept on disk, and the same for a whole study.

Steps of several runs as one program share what a step costs beside its arithmetic, and fill a
device that one run leaves half idle. Or they are slower: XLA on CPU has no fast convolution of
several images with kernels of their own. So a few steps of either are timed. What was found lies
in the user's cache folder (`~/.cache/rtickets/together`), by everything that it depends on; what a
study chose in its own, so that it goes on with that wherever and whenever it is resumed.

Compiling the programs takes a minute on a CPU. So they are left alone where all work, one after the
other, takes less than `_WORTH` seconds: that could not pay.
"""

import hashlib
import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rtickets import training
from rtickets.errors import InputError
from rtickets.models import onednn
from rtickets.platform import console, parallel, preemption
from rtickets.platform.private import private_folder
from rtickets.storage import locks
from rtickets.storage.files import read_json, write_json
from rtickets.training.dispatch import compiled_together
from rtickets.training.inputs import FromMemory
from rtickets.training.program import Program

SIZES = (1, 2, 4, 8, 16, 32)
_FASTER = 1.1  # so much for it to be worth it; less may be noise
_WORTH = 1800.0


class Sample(NamedTuple):
    """A run as it begins, to take steps of.

    Attributes:
        program: what is compiled for it.
        state: at its first step.
        mask: which weights live.
        feed: its examples.
        steps: of a dispatch.
        total: steps that it takes until it ends.
    """

    program: Program
    state: training.TrainState
    mask: Any
    feed: FromMemory
    steps: int
    total: int


def chosen_size(file: Path, label: str, sample: Callable[[], Sample | None], count: int) -> int:
    """Return how many of a study's runs are trained at once, 1 for one after the other.

    Args:
        file: in the study's folder, where what was chosen is kept.
        label: of the runs there.
        sample: returns one of them, None if they cannot be trained at once; it is called unless
            that was chosen before.
        count: of runs.

    Raises:
        InUseError: if another worker of the study is choosing.
        Preempted: if the process was asked to stop.
    """
    if label in (kept := _kept(file)):
        return kept[label]
    with locks.locked(file.parent):
        if label not in (kept := _kept(file)):  # by another worker, a moment ago
            first = sample()
            times = {} if first is None else _measured(first, count)
            kept[label] = _best(times) if times else 1
            write_json(file, kept)  # no times: what is there must not depend on them
            if len(times) > 1:
                console.say(f"{label}: {_said(kept[label], times)}")
    return kept[label]


def _kept(file: Path) -> dict[str, int]:
    """Return what a study chose; nothing if that is damaged, which a line says."""
    try:
        found = read_json(file)
    except FileNotFoundError:
        return {}
    except InputError:
        found = {"": None}
    if all(type(size) is int and size in SIZES for size in found.values()):
        return found
    console.say(f"{file} is damaged: how many are trained at once is chosen anew")
    return {}


def _said(size: int, times: dict[str, float]) -> str:
    known = ", ".join(f"{number}: {value * 1e3:.3g} ms" for number, value in times.items())
    how = "one ticket after the other" if size == 1 else f"{size} tickets at once"
    return f"{how} (a step of one, by how many are trained at once: {known})"


def _measured(sample: Sample, count: int) -> dict[str, float]:
    """Return the seconds of a step of one run by how many there are at once, 1 and maybe more."""
    file = _file(sample)
    times = {} if file is None else _cached(file)
    roughly = times.get("1") or time_step(sample, 1, windows=1, seconds=0)
    if roughly * sample.total * count < _WORTH:
        return {"1": roughly}
    for size in SIZES:
        if size > count or (times and _best(times) < size // 2):  # the last was no faster
            break
        if str(size) not in times:
            preemption.check()
            try:
                times[str(size)] = time_step(sample, size)
            except jax.errors.JaxRuntimeError as error:  # of memory that ends
                console.say(f"{size} runs at once: {str(error).splitlines()[0]}")
                break
    if file is not None:
        try:
            write_json(file, times)
        except OSError as error:  # what was measured is good all the same
            console.say(f"how many runs are trained at once is not kept for others: {error}")
    return {number: value for number, value in times.items() if int(number) <= count}


def _cached(file: Path) -> dict[str, float]:
    """Return what was measured before; nothing if that is damaged, as it is only measured anew."""
    try:
        found = read_json(file)
    except (InputError, OSError):
        return {}
    sound = found.keys() <= set(map(str, SIZES)) and all(map(_is_time, found.values()))
    return found if sound and "1" in found else {}


def _is_time(value: object) -> bool:
    return type(value) is float and 0 < value < math.inf


def _best(times: dict[str, float]) -> int:
    """Return the smallest number that is clearly faster than all smaller ones."""
    best = "1"
    for number in sorted(times, key=int):
        if times[number] * _FASTER < times[best]:
            best = number
    return int(best)


def time_step(
    sample: Sample,
    size: int,
    windows: int = 3,
    seconds: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Return the seconds of a step of one run where so many are trained at once.

    Args:
        windows: how many times are taken, of which the median counts.
        seconds: that each of them takes, about.
        clock: what they are taken by.
    """
    program, devices = sample.program, sample.program.devices
    run = training.RunData(jax.random.key(0), jnp.float32(0))
    mask, run = parallel.replicate((sample.mask, run), devices)
    fixed = (mask, run, *sample.feed.arguments(0, sample.steps))
    states = [parallel.replicate(sample.state, devices) for _ in range(size)]
    alone, together = training.compiled(program), compiled_together(program)

    def dispatch() -> None:
        nonlocal states
        if size == 1:
            states = [alone(states[0], *fixed)[0]]
        else:
            lists = ([each] * size for each in fixed)
            states = [state for state, _ in together(states, *lists)]

    def timed(dispatches: int) -> float:
        start = clock()
        for _ in range(dispatches):
            dispatch()
        jax.block_until_ready(states)
        return (clock() - start) / dispatches

    timed(1)  # compiles
    dispatches = max(1, round(seconds / max(timed(1), 1e-6)))
    found = statistics.median(timed(dispatches) for _ in range(windows))
    return found / (size * sample.steps)


def _machine() -> tuple[Any, ...]:
    """Return what steps are as fast as, beside the devices: processor, cores, versions, kernels."""
    affinity = getattr(os, "sched_getaffinity", None)  # not there on a Mac
    cores = os.cpu_count() if affinity is None else len(affinity(0))
    return _processor(), cores, jax.__version__, jax.lib.__version__, onednn.is_on()


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1] if found else platform.processor()


def _file(sample: Sample) -> Path | None:
    """Return where what was measured is kept; None where there is no place for it."""
    leaves = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), sample.state)
    devices = [f"{each.platform} {each.device_kind}" for each in sample.program.devices.devices]
    program = re.sub(r" at 0x[0-9a-f]+", "", repr(sample.program))
    about = (devices, *_machine(), program, str(leaves), sample.steps)
    name = hashlib.sha256(repr(about).encode()).hexdigest()[:20]
    try:
        return private_folder("cache", "together") / f"{name}.json"
    except (InputError, OSError):
        return None
