"""The verb that says how far the runs are."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rtickets.cli.verb import EXIT_HELP, Verb, place_of, refuse_config

_HELP = f"""
Reads the run folders and nothing else: it may run beside trainings, and on a machine without
accelerators. There is no --config.
{EXIT_HELP}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "workdir",
        type=place_of,
        nargs="?",
        default=Path("runs"),
        metavar="WORKDIR",
        help="where run folders lie: a folder, s3://BUCKET/PATH or gs://... (default: runs)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _status(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.runs.status import read_status
    from rtickets.runs.status_lines import as_text

    refuse_config("status", config_words)
    found = read_status(options.workdir)
    if options.json:
        print(json.dumps([one._asdict() for one in found], indent=2))
    else:
        print(as_text(found))


STATUS = Verb(_status, "list stages, their progress and the time left", _add_options, _HELP)
