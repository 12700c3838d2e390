import signal
import sys
import threading
import time

import pytest

from rtickets.errors import InputError
from rtickets.runs.launchers import slurm
from rtickets.runs.launchers.slurm import WorkerJob, parse_parameters, submit

pytest.importorskip("submitit")
WAITS = "import signal, time, sys; signal.signal(15, lambda *_: sys.exit({status})); {then}"


def python(code):
    return [sys.executable, "-u", "-c", code]


@pytest.fixture
def warning():
    """Calls a function at submitit's signal, a second after it is set."""
    before = signal.getsignal(signal.SIGUSR2)

    def set_handler(handler, seconds=1.0):
        signal.signal(signal.SIGUSR2, lambda *_: handler())
        if seconds:
            threading.Timer(seconds, signal.raise_signal, [signal.SIGUSR2]).start()

    yield set_handler
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["partition=gpu", "gpus-per-node=1"], {"partition": "gpu", "gpus_per_node": "1"}),
        (["exclusive", "time=60", "comment=a=b"], {"exclusive": True, "time": "60",
                                                   "comment": "a=b"}),
    ],
)  # fmt: skip
def test_options_of_sbatch_are_read(words, expected):
    assert parse_parameters(words) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [("time=1:00:00", "is no whole number of minutes"), ("--partition=x", "expected such as"),
     ("=x", "expected such as"), ("time", "is no whole number")],
)  # fmt: skip
def test_bad_options_of_sbatch_are_named(word, message):
    with pytest.raises(InputError, match=message):
        parse_parameters([word])


def test_a_job_that_ends_well_returns(warning):
    warning(lambda: pytest.fail("requeued"), seconds=None)
    WorkerJob(python("pass"))()


def test_a_job_that_fails_says_its_status(warning):
    warning(lambda: pytest.fail("requeued"), seconds=None)
    with pytest.raises(RuntimeError, match="status 3"):
        WorkerJob(python("import sys; sys.exit(3)"))()


class Requeued(Exception):
    """What submitit's handler ends a job with."""


def test_before_the_time_is_up_the_command_saves_itself_and_the_job_is_queued_again(warning):
    job = WorkerJob(python(WAITS.format(status=75, then="time.sleep(60)")))
    queued = []

    def handler():
        queued.append(job.checkpoint())
        raise Requeued

    warning(handler)
    start = time.monotonic()
    with pytest.raises(Requeued):
        job()
    assert time.monotonic() - start < 30
    assert job._process.wait() == 75
    assert queued[0].function.command == job.command
    assert queued[0].function._process is None


@pytest.mark.parametrize(
    "ends",
    ["sys.exit(75)", "sys.exit(143)", "os.kill(os.getpid(), 15)", "os.kill(os.getpid(), 10)"],
)
def test_a_command_that_was_stopped_by_others_is_queued_again(warning, ends):
    job = WorkerJob(python(f"import os, sys; {ends}"))

    def handler():
        job.checkpoint()
        raise Requeued

    warning(handler, seconds=None)
    with pytest.raises(Requeued):
        job()


def test_a_command_that_is_aborted_is_queued_again_a_few_times(warning):
    job = WorkerJob(python("import os; os.abort()"))

    def handler():
        queued.append(job.checkpoint().function)
        raise Requeued

    warning(handler, seconds=None)
    for count in range(1, slurm._MOST_ABORTS + 1):
        queued = []
        with pytest.raises(Requeued):
            job()
        (job,) = queued
        assert job.aborted == count
    with pytest.raises(RuntimeError, match="status 134"):
        job()


def test_the_command_does_not_die_of_the_signal_for_its_job(warning):
    warning(lambda: None, seconds=None)
    WorkerJob(python("import signal; signal.raise_signal(signal.SIGUSR2)"))()
    assert signal.getsignal(signal.SIGUSR2) not in (signal.SIG_IGN, signal.SIG_DFL)


def test_submitted_workers_run_and_come_back_from_the_queue(tmp_path):
    code = (
        "import pathlib, sys; file = pathlib.Path(sys.argv[1]); first = not file.exists(); "
        "file.touch(); sys.exit(75 if first else 0)"
    )
    commands = [[*python(code), str(tmp_path / name)] for name in "ab"]
    jobs = submit(commands, "test", {"time": "1", "partition": "x"}, cluster="local")
    for job in jobs:
        assert job.result() is None
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()
    assert len(list(slurm.jobs_folder().glob("*_log.err"))) >= 2


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"srun .*PATH"):
        submit([["true"]], "test", {})
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'rtickets\[launch\]'"):
        submit([["true"]], "test", {})


def test_jobs_lie_where_nobody_else_can_replace_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert slurm.jobs_folder() == tmp_path / "rtickets" / "slurm"
    slurm.jobs_folder().chmod(0o777)
    with pytest.raises(InputError, match="chmod go-w"):
        submit([["true"]], "test", {}, cluster="local")


@pytest.mark.parametrize("name", ["a%j", "a\nb", "a\\b"])
def test_a_place_that_sbatch_would_not_understand_is_named(monkeypatch, tmp_path, name):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name))
    with pytest.raises(InputError, match="set XDG_STATE_HOME"):
        submit([["true"]], "test", {}, cluster="local")
