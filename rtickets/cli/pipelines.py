"""The verb that compares pipelines from a supernet to a small network."""

import argparse
from collections.abc import Sequence
from typing import Any

from rtickets.cli.start import is_primary, start, when_free
from rtickets.cli.verb import (
    CONFIG_HELP,
    Verb,
    add_run_options,
    config_class,
    consent_of,
    read_config,
)
from rtickets.errors import InputError, printable


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    parser.add_argument(
        "--report", action="store_true", help="write the page of the cells that are there, run none"
    )


def _study(options: argparse.Namespace, config_words: Sequence[str]) -> int:
    config = read_config(SEARCH_STUDY, config_words)
    from rtickets.stages.pipelines.study import folder_of_study, read_cells, run_pipelines

    if options.report:
        study = folder_of_study(config, options.workdir)
        if not study.path.is_dir():
            raise InputError(f"{study.path} is not there; run the study without --report first")
    else:
        devices, consent = start(options), consent_of(options)
        study = when_free(lambda: run_pipelines(config, options.workdir, devices, consent=consent))
    cells = read_cells(config, study.path)
    if is_primary():
        _show(config, cells, study.path)
    return int(any("failed" in cell for cell in cells))


def _show(config: Any, cells: Any, folder: Any) -> None:
    from rtickets.report.pipelines import write_page, write_tables

    print(write_tables(config, cells, folder))
    print(f"page: {printable(write_page(config, cells, folder))}")


SEARCH_STUDY = Verb(
    _study, "compare pipelines from a supernet to a small network, on the same tasks",
    _add_options, CONFIG_HELP, config_class("PipelineStudyConfig"),
)  # fmt: skip
