"""Workers as a job array of SLURM, submitted through submitit."""

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtickets.errors import InputError
from rtickets.platform import statuses
from rtickets.platform.private import private_folder

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

_NOT_IN_PATHS = frozenset("%\\\n")  # which sbatch makes something else of
_MINUTES = 240  # of a job, unless asked for others; then it goes back to the queue
_SECONDS_TO_SAVE = 60
_MOST_ABORTS = 5  # of one worker, after which it does not go back to the queue


class WorkerJob:
    """What a job runs: the command of a worker, in a process of its own.

    submitit sends this process a signal before the time is up. The command is told then to save
    what it has and to stop, and the job goes back to the queue. So it does when the command was
    stopped by others.
    """

    def __init__(self, command: Sequence[str], aborted: int = 0) -> None:
        """Take the words of the command, and how often it was aborted, which may be its fault."""
        self.command, self.aborted = list(command), aborted
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Run the command; raise RuntimeError if it fails."""
        warning = _warning_signal()
        ours = signal.signal(warning, signal.SIG_IGN)  # SLURM sends it to the command as well
        self._process = subprocess.Popen(self.command)
        signal.signal(warning, ours)
        while self._process.poll() is None:
            time.sleep(0.2)
        status = statuses.of_process(self._process.returncode)
        self.aborted += status == statuses.ABORTED
        if statuses.is_resumable(status) and self.aborted <= _MOST_ABORTS:
            signal.raise_signal(warning)  # to the queue, by way of submitit
        if status != statuses.DONE:
            raise RuntimeError(f"the worker ended with status {status}")

    def checkpoint(self) -> "DelayedSubmission":
        """Stop the command and return what submitit runs in its place later."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            # Popen.wait would wait for a lock that the code under this signal may hold
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(WorkerJob(self.command, self.aborted))


def _warning_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


def parse_parameters(words: Sequence[str]) -> dict[str, str | bool]:
    """Return what `--slurm=NAME=VALUE` words ask of sbatch.

    Args:
        words: options of sbatch by their long name, such as 'partition=gpu' or 'exclusive'; 'time'
            in minutes.

    Returns:
        Values by name, underscores in the names; True for an option without a value.
    """
    parameters: dict[str, str | bool] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not name or name.startswith("-"):
            raise InputError(f"--slurm={word}: expected such as --slurm=partition=gpu")
        parameters[name.replace("-", "_")] = value if separator else True
    if not str(parameters.get("time", "1")).isdecimal():
        raise InputError(f"--slurm=time={parameters['time']} is no whole number of minutes")
    return parameters


def jobs_folder() -> Path:
    """Return where submitit keeps jobs and their logs.

    A job is a pickle, which the node that reads it executes: it must lie where nobody else can
    replace it.

    Raises:
        InputError: if that is no place of this user alone, or sbatch would not understand its name.
    """
    folder = private_folder("state", "slurm")
    if _NOT_IN_PATHS.intersection(str(folder)):
        raise InputError(f"{folder}: sbatch takes no logs there; set XDG_STATE_HOME")
    return folder


def submit(
    commands: Sequence[Sequence[str]],
    name: str,
    parameters: Mapping[str, str | bool],
    *,
    cluster: str = "slurm",
) -> list[Any]:
    """Submit a worker for each command as one job array, and return submitit's jobs.

    Args:
        parameters: options of sbatch.
        cluster: which of submitit's executors to use; 'local' needs no SLURM.

    Raises:
        InputError: if submitit or SLURM is missing.
    """
    if importlib.util.find_spec("submitit") is None:
        raise InputError(
            "--launcher=slurm needs submitit: pip install 'rtickets[launch]', or use a script of "
            "launch/"
        )
    import submitit

    try:
        executor = submitit.AutoExecutor(
            jobs_folder(), cluster=cluster, slurm_max_num_timeout=10_000
        )
    except RuntimeError:
        raise InputError("srun is not on PATH; --launcher=slurm runs on a SLURM cluster") from None
    own = {key: value for key, value in parameters.items() if key != "time"}
    executor.update_parameters(
        name=name,
        timeout_min=int(parameters.get("time", _MINUTES)),
        slurm_signal_delay_s=_SECONDS_TO_SAVE,
        slurm_additional_parameters=own,
    )
    with executor.batch():
        jobs = [executor.submit(WorkerJob(command)) for command in commands]
    return jobs
