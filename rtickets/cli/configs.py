"""The verb that shows and copies the configurations that come with the package."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rtickets.cli.verb import EXIT_HELP, Verb, path_of, refuse_config
from rtickets.errors import InputError
from rtickets.storage.files import write_text

_HELP = f"""
A name is what --config=NAME takes; NAME.py or configs/NAME.py is the same.
{EXIT_HELP}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="list them, a line each", allow_abbrev=False)
    show = actions.add_parser("show", help="print one", allow_abbrev=False)
    show.add_argument("name", metavar="NAME")
    copy = actions.add_parser("copy", help="copy one, to change it", allow_abbrev=False)
    copy.add_argument("name", metavar="NAME")
    copy.add_argument(
        "to", metavar="FILE", nargs="?", type=path_of, help="default: its own name here"
    )


def _configs(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.settings import shipped_configs

    refuse_config("configs", config_words)
    if options.action == "list":
        known = shipped_configs.names()
        width = max(map(len, known))
        for name in known:
            print(f"{name:{width}}  {shipped_configs.title(name)}")
    elif options.action == "show":
        print(shipped_configs.find(options.name).read_text("utf-8"), end="")
    else:
        _copy(shipped_configs.find(options.name), options.to)


def _copy(file: Path, to: Path | None) -> None:
    to = to or Path(file.name)
    if to.is_dir():
        to = to / file.name
    if os.path.lexists(to):
        raise InputError(f"{to} exists; choose another name for the copy")
    if not to.parent.is_dir():
        raise InputError(f"{to.parent} is no folder; make it first, or choose another place")
    write_text(to, file.read_text("utf-8"))
    print(f"copied: {to}; use it with --config={to}")


CONFIGS = Verb(
    _configs, "list, show or copy the configurations of the package", _add_options, _HELP
)
