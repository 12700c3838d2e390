"""The verbs that bring tickets to the Hugging Face Hub and from it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtickets.cli.verb import EXIT_HELP, Verb, check_folder, path_of, refuse_config
from rtickets.errors import InputError, printable

_PUSH = f"""
TICKET is a ticket's folder, the run folder that holds one, or latest:PREFIX; ADDRESS is
hf://OWNER/NAME, @BRANCH after it where it is not main. The ticket is checked, and a model card is
written from its provenance and the evaluations given. HF_TOKEN says who you are.
{EXIT_HELP}"""
_PULL = f"""
ADDRESS is hf://OWNER/NAME@REVISION, of a branch, a tag or, so that it stays the same, a commit.
Three files are taken and checked; nothing is executed.
{EXIT_HELP}"""


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticket", metavar="TICKET", help="the ticket")
    parser.add_argument("address", metavar="ADDRESS", help="where to")
    parser.add_argument(
        "--license", required=True, metavar="NAME", help="of the weights, such as apache-2.0"
    )
    parser.add_argument(
        "--evaluation",
        action="append",
        default=[],
        metavar="RUN",
        help="an evaluation of this ticket, for the card; may be given several times",
    )
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument(
        "--dry-run", action="store_true", dest="send_nothing", help="print the card, send nothing"
    )


def _push(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.tickets import exchange, hub

    refuse_config("push", config_words)
    parcel = _packed(options)
    for path in parcel.paths:
        told = f"ticket.json names a place, and everybody could read it: {path}"
        print(printable(f"rtickets: {told}"), file=sys.stderr)
    if options.send_nothing:
        print(parcel.files["README.md"].decode())
        print("nothing was sent")
        return
    commit = exchange.push(parcel, private=options.private)
    print(f"sha256: {parcel.digest}")
    print(f"done: {hub.Address(parcel.address.repository, commit)}")


def _packed(options: argparse.Namespace) -> Any:
    from rtickets.runs import folders
    from rtickets.tickets import exchange

    source = folders.find_ticket(options.ticket)
    measured = {}
    for word in options.evaluation:
        run, lines = _measured(word, source)
        measured[run] = lines
    return exchange.pack(source.ticket, options.address, options.license, measured)


def _measured(word: str, source: Any) -> tuple[str, list[str]]:
    """Return the name and the lines of an evaluation; refuse one of another network."""
    from rtickets import report
    from rtickets.config import EvaluateConfig
    from rtickets.runs import folders
    from rtickets.runs.names import find_run
    from rtickets.settings import config_files
    from rtickets.storage.files import read_json

    run = folders.run_at(find_run(word), "evaluate")
    config = config_files.parse(EvaluateConfig, read_json(run.path / "config.json"))
    same = folders.folder_of(run.path.parent, "evaluate", "same", config, source)
    if same.digest != run.digest:
        raise InputError(f"{run.path} is an evaluation of another network; give one of the ticket")
    return run.path.name, report.evaluation_lines(run)


def _add_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="where from")
    parser.add_argument(
        "--out", required=True, type=path_of, metavar="DIR", help="the folder to write"
    )
    parser.add_argument(
        "--sha256", metavar="DIGEST", help="refuse any other ticket than that of this digest"
    )


def _pull(options: argparse.Namespace, config_words: Sequence[str]) -> None:
    from rtickets.tickets import exchange
    from rtickets.tickets.ticket import Ticket

    refuse_config("pull", config_words)
    check_folder(options.out.parent, "the ticket")
    digest = exchange.pull(options.address, Path(options.out), options.sha256)
    print(printable(repr(Ticket.load(options.out))))
    print(f"sha256: {digest}")
    print(printable(f"done: {options.out}"))


PUSH = Verb(_push, "publish a ticket on the Hugging Face Hub, with a model card", _add_push, _PUSH)
PULL = Verb(_pull, "bring a ticket from the Hugging Face Hub", _add_pull, _PULL)
