"""Options of `rtickets report` that write a study's figures and tables for papers."""

import argparse
from typing import Any

from rtickets.cli.verb import path_of
from rtickets.errors import InputError, printable


def add_paper_options(parser: argparse.ArgumentParser) -> None:
    """Add where figures and tables go."""
    parser.add_argument(
        "--figures", type=path_of, metavar="DIR", help="write the curves of a study there, as PDF"
    )
    parser.add_argument(
        "--latex",
        type=path_of,
        metavar="FILE",
        help="write the tables of a study there, in LaTeX with booktabs",
    )


def check_paper_options(options: argparse.Namespace) -> None:
    """Raise InputError for a place that cannot be written to as it is asked for."""
    if options.figures and options.figures.exists() and not options.figures.is_dir():
        raise InputError(f"--figures={options.figures} is a file; give a folder, or a new name")
    if options.latex and options.latex.is_dir():
        raise InputError(f"--latex={options.latex} is a folder; give a file, such as tables.tex")


def write_for_papers(run: Any, options: argparse.Namespace) -> None:
    """Write what the options ask for of a complete study, and say where."""
    from rtickets import report
    from rtickets.storage.files import write_text

    if not (options.figures or options.latex):
        return
    study = report.read(run)
    if options.figures:
        for file in report.write_pdfs(study.figures(), options.figures):
            print(f"figure: {printable(file)}")
    if options.latex:
        options.latex.parent.mkdir(parents=True, exist_ok=True)
        write_text(options.latex, study.to_latex())
        print(f"tables: {printable(options.latex)}")
