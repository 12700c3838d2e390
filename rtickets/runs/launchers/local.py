"""Workers on this machine: one process for each device."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from rtickets.errors import InputError
from rtickets.platform import preemption, statuses
from rtickets.runs.launchers.commands import worker_command
from rtickets.runs.workers import Worker

_ASK = "import jax; print('devices:', jax.default_backend(), jax.local_device_count())"
_WORST_FIRST = (
    statuses.BAD_INPUT,
    statuses.FAILED,
    statuses.INTERRUPTED,
    statuses.STOPPED,
    statuses.DONE,
)


class MachineDevices(NamedTuple):
    """The devices of this machine: 'cpu', 'gpu' or 'tpu', and how many there are."""

    platform: str
    number: int


def find_devices() -> MachineDevices:
    """Return the devices of this machine, from a process that lets go of them again.

    Here JAX would keep them from the workers.
    """
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    asked = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True
    )
    answer = next((x for x in asked.stdout.splitlines() if x.startswith("devices: ")), None)
    if answer is None:
        lines = asked.stderr.strip().splitlines() or ["it says nothing"]
        raise InputError(f"JAX cannot start on this machine: {lines[-1]}")
    platform, count = answer.split()[1:]
    return MachineDevices("gpu" if platform in ("cuda", "rocm") else platform, int(count))


def environment_of(
    worker: Worker, found: MachineDevices, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables to set besides, which give a worker its device.

    Args:
        found: the devices; several workers may share one.
        environment: variables of the process that starts it; devices that it names are used.
    """
    if found.platform == "cpu":
        return {}
    place = worker.number % found.number
    if found.platform == "tpu":
        bounds = {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}
        return {"TPU_VISIBLE_CHIPS": str(place), **bounds}
    visible = environment.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(found.number)))
    own = {"CUDA_VISIBLE_DEVICES": visible.split(",")[place]}
    sharing = len(range(place, worker.of, found.number))
    if sharing > 1 and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in environment:
        own["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / sharing:.3f}"
    return own


def run_workers(
    words: Sequence[str],
    count: int | None,
    found: MachineDevices,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Run the workers of a study and wait for them; their lines are printed with their number.

    Args:
        words: options of `rtickets study`, without those of a launcher.
        count: number of workers; None is one per device.
        stop: asked several times a second; True ends the workers, which save what they have.

    Returns:
        The worst exit status of a worker.
    """
    count = count or found.number
    if found.platform == "tpu" and count > found.number:
        raise InputError(f"--workers={count}: the {found.number} TPU chips cannot be shared")
    workers = [Worker(number, count) for number in range(count)]
    running = [_start(worker, words, found) for worker in workers]
    readers = [
        threading.Thread(target=_print_lines, args=(process.stdout, f"[{worker.number}] "))
        for worker, process in zip(workers, running, strict=True)
    ]
    with preemption.saving():  # an interrupt is a request to the workers, which save themselves
        try:
            for reader in readers:
                reader.start()
            _wait(running, stop)
        finally:
            for process in running:
                if process.poll() is None:
                    process.terminate()
            ended = [process.wait() for process in running]
            for reader in readers:
                reader.join()
    for worker, status in zip(workers, map(statuses.of_process, ended), strict=True):
        if status not in _WORST_FIRST:
            print(f"worker {worker} ended with status {status}", file=sys.stderr, flush=True)
    return worst(ended)


def worst(ended: Sequence[int]) -> int:
    """Return the worst of the exit statuses of several processes, which stands for them.

    Args:
        ended: statuses, or what `subprocess` has for them. Those that a scheduler takes for a
            reason to start them again count as being stopped, and those that are not ours as 1.
    """
    ours = []
    for status in map(statuses.of_process, ended):
        stopped = statuses.STOPPED if statuses.is_resumable(status) else statuses.FAILED
        ours.append(status if status in _WORST_FIRST else stopped)
    return min(ours, key=_WORST_FIRST.index)


def _start(worker: Worker, words: Sequence[str], found: MachineDevices) -> "subprocess.Popen[str]":
    own = environment_of(worker, found, os.environ)
    return subprocess.Popen(
        worker_command(words, worker),
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _print_lines(lines: IO[str] | None, prefix: str) -> None:
    assert lines is not None
    with lines:
        for line in lines:
            print(prefix + line.rstrip("\n"), file=sys.stderr, flush=True)


def _wait(running: "Sequence[subprocess.Popen[str]]", stop: Callable[[], bool]) -> None:
    told = False
    while any(process.poll() is None for process in running):
        if not told and stop():
            told = True
            for process in running:
                process.terminate()
        time.sleep(0.1)
