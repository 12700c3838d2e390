"""Options of a study that start its workers elsewhere."""

import argparse
import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.verb import positive
from rtickets.errors import InputError, RefusedError, printable

_OF_LAUNCHERS = ("launcher", "workers", "slurm")


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """Add how the cells of a study spread over processes."""
    parser.add_argument(
        "--launcher",
        choices=["local", "slurm"],
        help="run workers that share the cells: 'local' here, a process for each device; 'slurm' "
        "as a job array (default: no workers, one process does everything)",
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="number of workers of a launcher"
    )
    parser.add_argument(
        "--slurm",
        action="append",
        metavar="NAME=VALUE",
        help="an option of sbatch for --launcher=slurm, such as partition=gpu or gpus-per-node=1; "
        "may be repeated",
    )
    parser.add_argument(
        "--worker",
        metavar="I/N",
        help="be worker I = 0 ... N-1 of N that run this command on one --workdir",
    )


def check_launch_options(options: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    if options.launcher and options.worker:
        raise InputError("--worker is what a launcher gives to its workers; leave it or --launcher")
    if options.launcher and (options.distributed or options.coordinator):
        raise InputError("workers are processes of their own; leave --launcher or --distributed")
    if options.workers and not options.launcher:
        raise InputError("--workers needs --launcher=local or --launcher=slurm")
    if options.slurm and options.launcher != "slurm":
        raise InputError("--slurm needs --launcher=slurm")
    if options.launcher == "slurm" and not options.workers:
        raise InputError("--launcher=slurm needs --workers=N, the size of the job array")


def launch(config: Any, options: argparse.Namespace, config_words: Sequence[str]) -> int:
    """Start the workers of a study, and return the exit status.

    Args:
        config_words: the words that the configuration came from.
    """
    from rtickets.runs.launchers.commands import words_of

    words = [*words_of(options, ("verb", *_OF_LAUNCHERS)), *config_words]
    start = _run_here if options.launcher == "local" else _submit
    return start(config, options, words)


def _run_here(config: Any, options: argparse.Namespace, words: Sequence[str]) -> int:
    from rtickets.platform import preemption
    from rtickets.runs import folders
    from rtickets.runs.launchers import local
    from rtickets.stages.results import read_study

    found = local.find_devices()
    status = local.run_workers(words, options.workers, found, stop=preemption.heard)
    study = folders.folder_of(options.workdir, "study", config.name, config)
    if study.complete:  # a worker may have been killed, but others took its cells
        show_study(study)
        return int(bool(read_study(study).get("failed")))
    if status == 0:
        print(
            "the last cells are being run by workers elsewhere; the last of them writes the "
            f"report; progress: rtickets status {printable(options.workdir)}"
        )
    return status


def _submit(config: Any, options: argparse.Namespace, words: Sequence[str]) -> int:
    from rtickets.runs.launchers import commands, slurm
    from rtickets.runs.workers import Worker

    parameters = slurm.parse_parameters(options.slurm or ())
    workdir = printable(options.workdir)
    workers = [Worker(number, options.workers) for number in range(options.workers)]
    own = [commands.worker_command(words, worker) for worker in workers]
    jobs = slurm.submit(own, f"rtickets-{config.name}", parameters)
    print(f"submitted: {' '.join(job.job_id for job in jobs)}")
    print(f"logs: {printable(slurm.jobs_folder())}; progress: rtickets status {workdir}")
    return 0


def show_study(study: Any) -> None:
    """Print the report of a complete study, and write it unless its folder is read-only to us."""
    from rtickets import report
    from rtickets.runs.folders import bring_runs

    bring_runs(study)
    report.show_report(study)
    say_page(study, report.write_report)


def say_page(run: Any, write: Callable[[Any], Path]) -> None:
    """Write the page of a complete run, unless its folder is read-only to us, and say where."""
    try:
        print(f"report: {printable(write(run))}")
    except OSError as error:
        refused = isinstance(error, RefusedError)  # by a bucket
        if not refused and error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        why = printable(error.strerror or error)
        print(f"report: not written, as {printable(run.path)} is read-only ({why})")
