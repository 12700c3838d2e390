"""The verb `rtickets export`."""

import argparse
import sys
from collections.abc import Sequence

from rtickets.cli.verb import EXIT_HELP, Verb, check_folder, path_of, refuse_config
from rtickets.errors import printable

_HELP = f"""
TICKET is a ticket's folder, the run folder that holds one, or latest:PREFIX. DIR becomes a folder
of the file and of export.json, which tells of it. What was written is run, or read back, and
compared with the ticket on real images; the difference is printed, and nothing is left if it is no
rounding.
docs/export.md has what runs each format without this package.
{EXIT_HELP}"""
_FORMATS = ("stablehlo", "onnx", "torchvision", "timm", "huggingface")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticket", metavar="TICKET", help="the ticket")
    parser.add_argument(
        "--format", required=True, choices=_FORMATS, help="what runs or reads the file"
    )
    parser.add_argument(
        "--out", required=True, type=path_of, metavar="DIR", help="the folder to write"
    )


def _export(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.exporters import export
    from rtickets.runs import folders
    from rtickets.tickets.ticket import Ticket

    refuse_config("export", config_words)
    check_folder(options.out.parent, "what is exported")  # before anything is traced
    ticket = Ticket.load(folders.find_ticket(options.ticket).ticket)
    said = export(ticket, options.out, options.format)
    share = said["max_difference"] / max(said["largest_answer"], 1e-30)
    print(printable(f"{options.out / said['file']}: {said['bytes']:,} bytes"))
    print(
        f"answers on {said['images']} photographs differ by at most {said['max_difference']:.2g}, "
        f"{share:.1g} of the largest ({said['checked_by']})"
    )
    if said["constant"]:
        print(
            f"rtickets: the ticket answers alike on all {said['images']} photographs, so nothing "
            "of an image passes through it; see `rtickets ticket show`",
            file=sys.stderr,
        )
    print(printable(f"done: {options.out}"))


EXPORT = Verb(_export, "write a ticket as a file that other programs run", _add_options, _HELP)
