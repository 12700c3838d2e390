"""The verbs that run or report a grid of stages."""

import argparse
from collections.abc import Sequence
from typing import Any

from rtickets.cli.start import start
from rtickets.cli.verb import Verb, add_run_options


def _study(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files
    from rtickets.config import StudyConfig

    _run_study(config_files.from_command_line(StudyConfig, config_words), options)


def _demo(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files
    from rtickets.config import StudyConfig
    from rtickets.demo import demo_study

    config = config_files.from_command_line(StudyConfig, config_words, demo_study())
    _run_study(config, options)


def _report(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets import config_files, report, runs
    from rtickets.config import StudyConfig
    from rtickets.demo import demo_study

    config = config_files.from_command_line(StudyConfig, config_words, demo_study())
    study = runs.folder_of(options.workdir, "study", config.name, config)
    page = report.write_report(study)
    report.show_report(study)
    print(f"report: {page}")


def _run_study(config: Any, options: argparse.Namespace) -> None:
    from rtickets import report
    from rtickets.study import run_study

    study = run_study(config, options.workdir, start(options))
    page = report.write_report(study)
    report.show_report(study)
    print(f"report: {page}")


DEMO = Verb(_demo, "the whole story on embedded real data, minutes on a laptop", add_run_options)
STUDY = Verb(_study, "run a grid of all of these and report it", add_run_options)
REPORT = Verb(_report, "write and print the report of a finished study again", add_run_options)
