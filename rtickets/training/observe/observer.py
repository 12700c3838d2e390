"""Watching a training run: throughput, time for input, device memory, trackers and traces.

What differs from run to run never reaches `metrics.jsonl`, which a run that was killed and resumed
leaves bit-equal. It goes to `throughput.jsonl`: for every line of metrics one with

    step, last_step, time    where the run is, where it ends, seconds since 1970
    steps, seconds           since the last line: steps of this process, and training time without
                             validation and checkpoints
    input_seconds            of these, the host's for choosing and handing over batches
    compiled                 whether compilation is among them
    images_per_second, images_per_second_per_device
    memory                   bytes_in_use, peak_bytes_in_use and bytes_limit of the fullest device
                             of this host, where devices tell
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from rtickets.platform import console, parallel
from rtickets.storage import guarded
from rtickets.storage.event_lines import begin_events
from rtickets.storage.files import read_sound_lines, write_json, write_text
from rtickets.storage.throughput import FILE as THROUGHPUT
from rtickets.storage.throughput import read_lines
from rtickets.training.observe.profiling import Tracer, step_split
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.observe.trackers.opened import OpenTrackers, check_trackers, open_trackers

PROFILE = "profile"
_MEMORY = ("bytes_in_use", "peak_bytes_in_use", "bytes_limit")


class Observer:
    """Watches one run; `watch` opens and closes its files."""

    def __init__(
        self, folder: Path, config: ObserveConfig, batch_size: int, devices: parallel.Devices
    ) -> None:
        """Bind the observer to the run's folder; nothing is written.

        Args:
            config: what to write; trackers that are not installed are refused.
            batch_size: examples per step, over all devices.
            devices: all devices that train.
        """
        check_trackers(config.all_trackers)
        self._folder, self._config = folder, config
        self._batch_size, self._devices = batch_size, devices
        self._writes = parallel.is_primary()
        self._tracer = Tracer(folder / PROFILE, config.profile_steps if self._writes else 0)
        self._trackers: OpenTrackers | None = None
        self._last_step = 0
        self._compiled = True  # the steps since the last line include compilation
        self._started: float | None = None
        self._steps, self._seconds, self._input_seconds = 0, 0.0, 0.0

    @contextmanager
    def watch(self, step: int, last_step: int) -> Iterator[None]:
        """Open the files, without the lines that an interrupted run wrote after `step`.

        `events.jsonl` says where the run ends before there is a line of the others.
        """
        self._last_step = last_step
        path = self._folder / THROUGHPUT
        if self._writes:
            kept = [line for line in read_lines(self._folder) if line["step"] <= step]
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
            begin_events(self._folder, last_step)
        try:
            if self._writes and self._config.all_trackers:
                names = self._config.all_trackers
                self._trackers = open_trackers(names, self._folder, again=True)
                self._replay(self._trackers)
            yield
        finally:
            self._tracer.close()
            if self._trackers is not None:
                self._trackers.close()

    def _replay(self, trackers: OpenTrackers) -> None:
        """Write what was measured before an interruption."""
        throughput = read_lines(self._folder)
        times = {line["step"]: line["time"] for line in throughput}
        trackers.replay("train", read_sound_lines(self._folder / "metrics.jsonl"), times)
        trackers.replay("throughput", throughput, times)

    @contextmanager
    def input(self) -> Iterator[None]:
        """Measure a block in which the host makes a batch."""
        start = time.monotonic()
        self._started = self._started or start
        yield
        self._input_seconds += time.monotonic() - start

    def split(self, *arguments: Any) -> None:
        """Write how the time of a step divides; takes what `step_split` takes."""
        split = step_split(*arguments)._asdict()
        if self._writes:
            guarded.own_folder(self._folder / PROFILE)
            write_json(self._folder / PROFILE / "split.json", split)
            parts = ", ".join(f"{name} {1000 * part:.1f} ms" for name, part in split.items())
            console.say(f"{self._folder.name}: {parts}")

    def dispatch(self, state: Any, steps: int) -> None:
        """Take note that the device is about to be called for some steps.

        A trace that starts or ends waits for the arrays of the state that the call starts from.
        """
        self._tracer.dispatch(state, steps)
        self._started = self._started or time.monotonic()
        self._steps += steps

    def pause(self) -> None:
        """Take note that all steps are done and that no training follows at once."""
        if self._started is not None:
            self._seconds += time.monotonic() - self._started
            self._started = None

    def log(self, line: Mapping[str, Any]) -> None:
        """Write a line of throughput beside a line of metrics, and both for trackers."""
        if not self._writes:
            return
        now = time.time()
        if self._trackers is not None:
            self._trackers.write("train", line, now)
        if self._steps:  # a resumed run may begin with a line of steps that another process took
            throughput = self._throughput(line["step"], now)
            with guarded.open_to_append(self._folder / THROUGHPUT) as file:
                file.write(json.dumps(throughput).encode() + b"\n")
            if self._trackers is not None:
                self._trackers.write("throughput", throughput, now)
        if self._trackers is not None:
            self._trackers.flush()

    def _throughput(self, step: int, now: float) -> dict[str, Any]:
        """Return the line of the steps since the last one."""
        rate = self._steps * self._batch_size / max(self._seconds, 1e-9)
        line: dict[str, Any] = {
            "step": step,
            "last_step": self._last_step,
            "time": round(now, 3),
            "steps": self._steps,
            "seconds": round(self._seconds, 6),
            "input_seconds": round(self._input_seconds, 6),
            "compiled": self._compiled,
            "images_per_second": round(rate, 3),
            "images_per_second_per_device": round(rate / len(self._devices), 3),
        }
        if memory := device_memory(self._devices):
            line["memory"] = memory
        self._compiled = False
        self._steps, self._seconds, self._input_seconds = 0, 0.0, 0.0
        return line


def device_memory(devices: parallel.Devices) -> dict[str, int]:
    """Return bytes in use, their peak and limit of the fullest device of this host, {} on CPU."""
    own = [device for device in devices if device.process_index == jax.process_index()]
    found = [stats for device in own if (stats := device.memory_stats())]
    return {
        name: max(stats[name] for stats in found)
        for name in _MEMORY
        if found and all(name in stats for stats in found)
    }
