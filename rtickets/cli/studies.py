"""The verbs that run or report a grid of stages."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.launch import (
    add_launch_options,
    check_launch_options,
    launch,
    say_page,
    show_study,
)
from rtickets.cli.papers import add_paper_options, check_paper_options, write_for_papers
from rtickets.cli.start import is_primary, start
from rtickets.cli.verb import (
    Verb,
    add_run_options,
    add_workdir,
    config_class,
    consent_of,
    read_config,
)
from rtickets.cli.watching import add_watching_options, publish, watched
from rtickets.errors import InputError
from rtickets.storage.run_files import COMPLETE


def _study(options: argparse.Namespace, config_words: Sequence[str]) -> int:
    config = read_config(STUDY, config_words)
    check_launch_options(options)
    if options.launcher:
        return launch(config, options, config_words)
    return _run_study(watched(config, options), options)


def _demo(options: argparse.Namespace, config_words: Sequence[str]) -> int:
    config = read_config(DEMO, config_words)
    return _run_study(watched(config, options), options)


def _report(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.runs import folders

    check_paper_options(options)
    run = _run_to_report(options, config_words)
    stage = run.path.name.partition("-")[0]
    if stage == "evaluate":
        if options.figures or options.latex:
            raise InputError(f"{run.path}: --figures and --latex are for studies, not evaluations")
        _show_evaluation(folders.run_at(run.path, stage))
        return
    show_study(run)
    write_for_papers(run, options)


def _run_to_report(options: argparse.Namespace, config_words: Sequence[str]) -> Any:
    """Return the folder of a study or evaluation."""
    from rtickets.runs import folders
    from rtickets.runs.names import find_run

    if options.run is None:
        config = read_config(REPORT, config_words)
        study = folders.folder_of(options.workdir, "study", config.name, config)
        if not study.complete:
            raise InputError(_what_is_missing(study.path, config_words))
        return study
    if config_words:
        raise InputError(f"{config_words[0]}: {options.run} has its configuration; leave it out")
    path = find_run(options.run, options.workdir)
    stage = path.name.partition("-")[0]
    if stage in ("pretrain", "draw", "transfer"):
        raise InputError(f"{path}: a run of {stage} has no report; studies and evaluations have")
    if stage not in ("study", "evaluate"):
        what = "is no folder of a study or an evaluation" if path.exists() else "does not exist"
        raise InputError(
            f"{path} {what}; give WORKDIR/study-NAME-DIGEST or WORKDIR/evaluate-NAME-DIGEST"
        )
    return folders.run_at(path, stage)


def _what_is_missing(study: Path, config_words: Sequence[str]) -> str:
    """Say why there is no report of the study of a configuration, and what to do."""
    where = [f"--workdir={study.parent}"] if study.parent != Path("runs") else []
    verb = "study" if config_words else "demo"
    command = shlex.join(["rtickets", verb, *config_words, *where])
    if study.is_dir():
        return (
            f"{study} is not complete: `rtickets status {study.parent}` shows how far it is, and "
            f"`{command}` goes on"
        )
    there = [path.name for path in study.parent.glob("study-*") if (path / COMPLETE).is_file()]
    shown = ", ".join(sorted(there)[:3])
    others = f"; or name one that is complete, rtickets report RUN: {shown}" if there else ""
    whose = "this configuration" if config_words else "the demo"
    return f"{study.parent} has no study of {whose}: run it first with `{command}`{others}"


def _show_evaluation(run: Any) -> None:
    from rtickets import report

    for line in report.evaluation_lines(run):
        print(line)
    say_page(run, report.write_evaluation)


def _run_study(config: Any, options: argparse.Namespace) -> int:
    from rtickets import report
    from rtickets.runs.folders import bring_runs
    from rtickets.runs.workers import ALONE, parse_worker
    from rtickets.stages.results import read_study
    from rtickets.stages.study import run_study

    worker = parse_worker(options.worker) if options.worker else ALONE
    devices, consent = start(options), consent_of(options)
    study = run_study(config, options.workdir, devices, worker, consent=consent)
    if study.complete and not is_primary():
        return int(bool(read_study(study).get("failed")))
    if not is_primary():
        return 0
    if not study.complete:
        print("the last cells are being run by other workers; the last of them writes the report")
        return 0
    bring_runs(study)
    if worker == ALONE:
        show_study(study)
    else:
        say_page(study, report.write_report)
    publish(study.path, options)
    return int(bool(read_study(study).get("failed")))


def _add_demo_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    add_watching_options(parser)
    parser.set_defaults(worker=None)


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    add_watching_options(parser)
    add_launch_options(parser)


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="the folder of a study or an evaluation, or latest:PREFIX (default: the study of "
        "--config, or the demo)",
    )
    add_paper_options(parser)
    add_workdir(parser)


def _demo_class() -> tuple[type, Any]:
    from rtickets.stages.demo import demo_study
    from rtickets.stages.study_settings import StudyConfig

    return StudyConfig, demo_study()


DEMO = Verb(
    _demo,
    "the whole story on embedded real data, minutes on a laptop",
    _add_demo_options,
    config=_demo_class,
)
STUDY = Verb(
    _study,
    "run a grid of all of these and report it",
    _add_study_options,
    config=config_class("StudyConfig"),
)
REPORT = Verb(
    _report,
    "write and print the report of a finished study or evaluation",
    _add_report_options,
    config=_demo_class,
)
