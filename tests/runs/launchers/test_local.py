import os
import sys
import threading
import time

import pytest

from rtickets.errors import InputError
from rtickets.runs.launchers import local
from rtickets.runs.launchers.local import MachineDevices, environment_of, run_workers, worst
from rtickets.runs.workers import Worker

TPU = {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}


@pytest.mark.parametrize(
    ("worker", "found", "environment", "expected"),
    [
        ((1, 2), ("cpu", 1), {}, {}),
        ((1, 2), ("gpu", 2), {}, {"CUDA_VISIBLE_DEVICES": "1"}),
        ((1, 2), ("gpu", 2), {"CUDA_VISIBLE_DEVICES": "4,7"}, {"CUDA_VISIBLE_DEVICES": "7"}),
        ((2, 3), ("gpu", 2), {}, {"CUDA_VISIBLE_DEVICES": "0",
                                  "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450"}),
        ((1, 3), ("gpu", 2), {}, {"CUDA_VISIBLE_DEVICES": "1"}),
        ((1, 2), ("gpu", 1), {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.3"},
         {"CUDA_VISIBLE_DEVICES": "0"}),
        ((3, 4), ("tpu", 4), {}, {"TPU_VISIBLE_CHIPS": "3", **TPU}),
    ],
)  # fmt: skip
def test_every_worker_has_its_device(worker, found, environment, expected):
    assert environment_of(Worker(*worker), MachineDevices(*found), environment) == expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ([0, 0], 0),
        ([0, 75], 75),
        ([75, 1], 1),
        ([1, 2, 0], 2),
        ([0, -9], 1),
        ([130, 75], 130),
        ([0, -15], 75),
        ([143, 0], 75),
        ([0, -6], 75),
        ([-1, -10], 75),
        ([-2, 75], 130),
        ([120, 0], 1),
    ],
)
def test_the_worst_status_stands_for_all(ended, expected):
    assert worst(ended) == expected


def test_the_devices_of_this_machine_are_found():
    found = local.find_devices()
    assert found.platform in ("cpu", "gpu", "tpu")
    assert found.number >= 1


def test_a_machine_where_jax_does_not_start_is_bad_input(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "abacus")
    with pytest.raises(InputError, match=r"JAX .*abacus"):
        local.find_devices()


@pytest.fixture
def workers_run(monkeypatch):
    """Makes workers run a piece of Python; `number` is the worker's."""

    def set_code(code):
        def command(words, worker):
            return [sys.executable, "-u", "-c", f"number = {worker.number}\n{code}", *words]

        monkeypatch.setattr(local, "worker_command", command)

    return set_code


def test_the_lines_of_workers_carry_their_number(workers_run, capsys):
    workers_run("import sys; print('out', sys.argv[1]); print('error', file=sys.stderr)")
    assert run_workers(["word"], 2, MachineDevices("cpu", 1)) == 0
    lines = sorted(capsys.readouterr().err.splitlines())
    assert lines == ["[0] error", "[0] out word", "[1] error", "[1] out word"]


def test_there_is_a_worker_for_each_device_with_the_device(workers_run, capsys, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    workers_run("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    run_workers([], None, MachineDevices("gpu", 3))
    assert sorted(capsys.readouterr().err.splitlines()) == ["[0] 0", "[1] 1", "[2] 2"]


def test_a_worker_that_fails_does_not_end_the_others(workers_run, capsys):
    workers_run("import sys, time\nif number: sys.exit(2)\ntime.sleep(0.5); print('done')")
    assert run_workers([], 2, MachineDevices("cpu", 1)) == 2
    assert "[0] done" in capsys.readouterr().err


def test_being_stopped_stops_the_workers(workers_run):
    workers_run(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        "time.sleep(60)"
    )
    start = time.monotonic()
    stop = threading.Event()
    timer = threading.Timer(1.0, stop.set)
    timer.start()
    assert run_workers([], 2, MachineDevices("cpu", 1), stop=stop.is_set) == 75
    assert time.monotonic() - start < 30


def test_chips_of_a_tpu_are_not_shared():
    with pytest.raises(InputError, match=r"--workers=5: .*4 TPU"):
        run_workers([], 5, MachineDevices("tpu", 4))


def test_interrupting_leaves_no_worker_behind(workers_run, monkeypatch):
    started = []
    start = local._start
    monkeypatch.setattr(local, "_start", lambda *a: started.append(start(*a)) or started[-1])
    workers_run("import time; time.sleep(60)")

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workers([], 2, MachineDevices("cpu", 1), stop=interrupted)
    assert [process.poll() for process in started] == [-15, -15]
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)
