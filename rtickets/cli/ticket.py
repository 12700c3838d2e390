"""The verb that describes tickets."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rtickets.cli.verb import EXIT_HELP, Verb, check_folder, path_of, refuse_config
from rtickets.errors import InputError, printable

_HELP = f"""
PATH is a ticket's folder, the run folder that holds one, latest:PREFIX (the complete run whose name
begins so and that was completed last, in ./runs unless PREFIX has a folder), or a pattern that
matches one. There is no --config.
{EXIT_HELP}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, count, description in (
        ("show", 1, "print a ticket's provenance and sparsity, and per layer what is pruned whole"),
        ("diff", 2, "print how two tickets of one network overlap and differ"),
        ("verify", "+", "check the files and the contents of tickets"),
    ):
        action = actions.add_parser(
            name, help=description, description=description, allow_abbrev=False
        )
        action.add_argument("paths", nargs=count, metavar="PATH")
        if name != "verify":
            action.add_argument("--json", action="store_true", help="print JSON")
            action.add_argument(
                "--pictures", type=path_of, metavar="DIR", help="write PNG pictures"
            )
        if name == "show":
            action.add_argument(
                "--layout",
                action="append",
                default=[],
                metavar="REGEX=LAYOUT",
                help="what the axes of kernels are where that is unknown, such as "
                "'.*/out/kernel=iio' (s stack, d h w space, i inputs, o outputs); may be repeated",
            )


def _ticket(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.runs import folders
    from rtickets.tickets import inspect
    from rtickets.tickets.tables import as_text

    refuse_config("ticket", config_words)
    check_folder(getattr(options, "pictures", None), "pictures")
    if options.action == "verify":
        return _verify(options.paths)
    tickets = [inspect.verify(folders.find_ticket(path).ticket) for path in options.paths]
    if options.action == "show":
        tickets = [inspect.with_names(ticket, options.layout) for ticket in tickets]
    tables = (inspect.describe if options.action == "show" else inspect.compare)(*tickets)
    if options.pictures:
        from rtickets.report.ticket_pictures import write_pictures

        write_pictures(options.pictures, dict(zip(options.paths, tickets, strict=True)))
    print(json.dumps(tables, indent=2) if options.json else as_text(tables))


def _verify(paths: Sequence[str]) -> None:
    from rtickets.runs import folders
    from rtickets.tickets import inspect

    failures = []
    for path in paths:
        try:
            folder = folders.find_ticket(path).ticket
            shown = path if Path(path).exists() else folder  # what a pattern means
            print(printable(f"OK {shown}: {inspect.verified(inspect.verify(folder))}"))
        except InputError as error:
            failures.append(str(error))
    if failures:
        raise InputError("; ".join(failures))


TICKET = Verb(_ticket, "describe a ticket, compare two, or verify any number", _add_options, _HELP)
