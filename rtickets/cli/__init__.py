"""The `rtickets` command: one module per family of verbs.

Nothing heavy is imported before a verb needs it, so that `--help` answers at once.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence

from rtickets._version import __version__
from rtickets.cli.bench import BENCH
from rtickets.cli.compacting import COMPACT
from rtickets.cli.completion import make_completion
from rtickets.cli.configs import CONFIGS
from rtickets.cli.data import DATA
from rtickets.cli.dry import dry_run
from rtickets.cli.exchanging import PULL, PUSH
from rtickets.cli.exporting import EXPORT
from rtickets.cli.fields import asks_for_help, print_fields
from rtickets.cli.importing import IMPORT
from rtickets.cli.parser import OneLineParser, what_is_wrong
from rtickets.cli.pipelines import SEARCH_STUDY
from rtickets.cli.restoring import RESTORE, RESTORE_STUDY
from rtickets.cli.stages import STAGE_VERBS
from rtickets.cli.start import is_one_of_several, leave, lost_another
from rtickets.cli.status import STATUS
from rtickets.cli.studies import DEMO, REPORT, STUDY
from rtickets.cli.ticket import TICKET
from rtickets.cli.verb import Verb, check_folder, open_workdir
from rtickets.cli.vocabulary import VOCABULARY
from rtickets.errors import (
    FailedBeforeError,
    InputError,
    LostError,
    NonFiniteLossError,
    Preempted,
    RefusedError,
    StorageError,
    explain,
    printable,
)
from rtickets.platform import preemption, statuses
from rtickets.platform.terminal import never_fail_to_print
from rtickets.storage import fetched, workdirs

__all__ = ["VERBS", "main"]

VERBS: dict[str, Verb] = {
    "demo": DEMO,
    **STAGE_VERBS,
    "study": STUDY,
    "report": REPORT,
    "status": STATUS,
    "search-study": SEARCH_STUDY,
    "restore": RESTORE,
    "restore-study": RESTORE_STUDY,
    "import": IMPORT,
    "export": EXPORT,
    "compact": COMPACT,
    "push": PUSH,
    "pull": PULL,
    "data": DATA,
    "vocabulary": VOCABULARY,
    "configs": CONFIGS,
    "ticket": TICKET,
    "bench": BENCH,
    "completion": make_completion(lambda: VERBS),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status.

    Args:
        arguments: words after the command's name; None takes them from the process, which is then
            this command's alone: its signals, its streams and its end.
    """
    own_process = arguments is None
    never_fail_to_print(whatever_happens=own_process)
    ours, config_words = _split_config(sys.argv[1:] if arguments is None else arguments)
    options = _parse(ours)
    with preemption.listening(until_exit=own_process) as notice:
        status, done = statuses.FAILED, False
        try:
            if notice is not None:
                notice.begin()
            status = _run(options, config_words)
            done = True
        except KeyboardInterrupt:  # while something else was being told
            status = status if done else statuses.INTERRUPTED
        finally:
            if notice is not None:
                notice.leave_with(status)
        return leave(status)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the options; help and the version, which end the process, are written before it ends."""
    try:
        parser, verbs = _parsers()
        options, unknown = parser.parse_known_args(words)
        if unknown:
            verb, own = VERBS[options.verb], verbs[options.verb]
            known = [option for action in own._actions for option in action.option_strings]
            own.error(what_is_wrong(unknown[0], known, verb.config is not None))
        return options
    except SystemExit:
        try:
            sys.stdout.flush()
        except OSError as error:
            print(f"rtickets: {printable(explain(error))}", file=sys.stderr)
            sys.exit(statuses.BAD_INPUT)
        raise


def _run(options: argparse.Namespace, config_words: Sequence[str]) -> int:
    """Run a verb and return the exit status."""
    verb = VERBS[options.verb]
    try:
        # Whatever a verb raises ends here in one line and a status, see docs/reliability.md,
        # Endings.
        open_workdir(options)
        check_folder(getattr(options, "workdir", None), "runs")
        if asks_for_help(config_words):
            print_fields(verb, options.verb, config_words)
            status = statuses.DONE
        elif getattr(options, "dry_run", False):
            dry_run(verb, options, config_words)
            status = statuses.DONE
        else:
            status = verb.run(options, config_words) or statuses.DONE
        sys.stdout.flush()  # a full disk or a closed pipe shows here, while it can be told
        return status
    except Preempted as error:
        print(f"rtickets: {printable(error)}; the same command goes on", file=sys.stderr)
        return preemption.status()
    except (InputError, NonFiniteLossError, FailedBeforeError) as error:
        print(f"rtickets: {printable(error)}", file=sys.stderr)
        if isinstance(error, LostError):
            return statuses.STOPPED
        return statuses.BAD_INPUT if isinstance(error, InputError) else statuses.FAILED
    except KeyboardInterrupt:
        return _interrupted()
    except OSError as error:  # a full disk, a folder that cannot be made, a bucket
        print(f"rtickets: {printable(explain(error))}", file=sys.stderr)
        may_help = isinstance(error, StorageError) and not isinstance(error, RefusedError)
        return statuses.STOPPED if may_help else statuses.BAD_INPUT
    except Exception as error:
        if preemption.interrupted():  # some libraries raise another error in its place
            return _interrupted()
        if not is_one_of_several():
            raise
        return _failed(error)
    finally:
        workdirs.close_all()
        fetched.forget()


def _interrupted() -> int:
    print("rtickets: interrupted; the same command goes on", file=sys.stderr)
    return statuses.INTERRUPTED


def _failed(error: Exception) -> int:
    """Say what ended one of several processes, which cannot raise: see `leave`."""
    if lost_another(error):
        print(
            "rtickets: another process stopped, so that this one cannot go on; the same command in "
            f"every process goes on ({printable(str(error).splitlines()[0])})",
            file=sys.stderr,
        )
        return statuses.STOPPED
    traceback.print_exc()
    return statuses.FAILED


def _parsers() -> tuple[OneLineParser, dict[str, OneLineParser]]:
    """Return the parser of the command and those of its verbs."""
    parser = OneLineParser(
        prog="rtickets",
        description="Draw robust tickets, transfer them, and measure how good and robust they are.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rtickets {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    own = {}
    for name, verb in VERBS.items():
        own[name] = verbs.add_parser(
            name,
            help=verb.description,
            description=verb.description,
            epilog=verb.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add_options(own[name])
    return parser, own


def _split_config(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate --config and --config.field words, with their values, from the others."""
    ours: list[str] = []
    config: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--config" or word.startswith(("--config=", "--config.")):
            config.append(word)
            if (
                word != "--config.help"
                and "=" not in word
                and (value := next(rest, None)) is not None
            ):
                config.append(value)
        else:
            ours.append(word)
    return ours, config
