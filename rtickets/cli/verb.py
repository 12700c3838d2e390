"""What a verb of the command is, and the options that verbs share."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError
from rtickets.storage.addresses import is_address, is_any_address, read_address

ConfigClass = Callable[[], tuple[type, Any]]

EXIT_HELP = """
exit status: 0 done, 1 failed, 2 bad input or a full disk, 75 asked to stop or no bucket to be
had, 130 interrupted; after 75 and 130 the same command goes on
"""
CONFIG_HELP = f"""
options of the configuration:
  --config=FILE.py            a Python file with get_config(), or the name of one
                              that comes with the package: rtickets configs list
  --config.FIELD=VALUE        override any field, for instance
                              --config.train.objective.attack.eps=8/255
  --config.help[=FIELD]       list the fields: types, values, meaning
{EXIT_HELP}"""


class Verb(NamedTuple):
    """One verb.

    Attributes:
        run: does it, given the options and the words that concern the configuration, and returns
            the exit status; None is 0.
        description: what it does, in a line.
        add_options: adds its options to its parser.
        epilog: what its help ends with.
        config: returns the class of its configuration, and the default without --config=FILE.py,
            None where a file is obligatory; None where the verb takes no configuration.
    """

    run: Callable[[argparse.Namespace, Sequence[str]], int | None]
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    epilog: str = CONFIG_HELP
    config: ConfigClass | None = None


def config_class(name: str, *, has_default: bool = False) -> ConfigClass:
    """Return what `Verb.config` is for a class of `rtickets.config`, imported when it is needed."""

    def load() -> tuple[type, Any]:
        from rtickets import config

        cls = getattr(config, name)
        return cls, cls() if has_default else None

    return load


def consent_of(options: argparse.Namespace) -> Any:
    """Return what the options of a verb that runs stages agree to."""
    from rtickets.runs.consent import Consent

    return Consent(options.retry_failed, options.accept_changes)


def refuse_config(verb: str, words: Sequence[str]) -> None:
    """Raise InputError if there are words about a configuration, which a verb does not take."""
    if words:
        raise InputError(f"{words[0]}: the verb {verb} takes no configuration")


def read_config(verb: Verb, words: Sequence[str]) -> Any:
    """Return the checked configuration of a verb that takes one."""
    from rtickets.cli import overrides

    assert verb.config is not None
    cls, default = verb.config()
    return overrides.from_command_line(cls, words, default)


def add_workdir(parser: argparse.ArgumentParser) -> None:
    """Add where run folders lie."""
    parser.add_argument(
        "--workdir",
        type=place_of,
        default=Path("runs"),
        metavar="DIR",
        help="where run folders lie: a folder, s3://BUCKET/PATH or gs://... (default: runs)",
    )


def check_folder(folder: Path | None, what: str) -> None:
    """Raise InputError where a file stands in the place of a folder or of one above it.

    Args:
        what: what lies in the folder, for the message.
    """
    for path in (folder, *folder.parents) if folder else ():
        if path.exists():
            if not path.is_dir():
                raise InputError(f"{path} is no folder; give one where {what} can lie")
            return


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add where run folders lie, where to compute and that nothing should run."""
    add_workdir(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would run: shapes, steps, operations, memory and time",
    )
    _add_devices(parser)
    _add_consent(parser)
    _add_processes(parser)


def _add_devices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cpu-devices",
        type=positive,
        default=2,
        metavar="N",
        help="devices to simulate when there is no accelerator (default: 2)",
    )
    parser.add_argument(
        "--devices",
        type=positive,
        metavar="N",
        help="use only N devices, over all processes (default: all)",
    )
    parser.add_argument(
        "--parallel",
        choices=["pmap", "shard_map"],
        default="pmap",
        help="how steps are mapped over devices, with the same results (default: pmap)",
    )


def _add_consent(parser: argparse.ArgumentParser) -> None:
    """Add what `consent_of` reads."""
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="try trainings again that diverged before, and in a study every cell that failed",
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on with runs that began, and reuse those that were done, under other settings of "
        "JAX, such as x64 or another PRNG",
    )


def _add_processes(parser: argparse.ArgumentParser) -> None:
    several = parser.add_argument_group("several processes, each with this command")
    several.add_argument(
        "--distributed",
        action="store_true",
        help="join the processes of the SLURM job, TPU pod, Kubernetes job or environment",
    )
    several.add_argument(
        "--coordinator", metavar="HOST:PORT", help="join the processes that process 0 waits for"
    )
    several.add_argument("--process-id", type=_number, metavar="I", help="this process, from 0")
    several.add_argument("--num-processes", type=_number, metavar="P", help="how many there are")
    several.add_argument(
        "--heartbeat",
        type=_number,
        default=100,
        metavar="SECONDS",
        help="end all when one has been silent for so long (default: 100)",
    )
    several.add_argument(
        "--start-timeout",
        type=positive,
        default=300,
        metavar="SECONDS",
        help="how long to wait for the others at the start (default: 300)",
    )


def add_stage_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a single stage."""
    add_run_options(parser)
    parser.add_argument("--name", help="readable part of the run folder's name")


def path_of(text: str) -> Path:
    """Return the path that a word stands for, for argparse.

    An empty word, as of a variable of the shell that is not set, would stand for the folder that
    the command is called in.
    """
    return _path(text, "a folder, such as one that is mounted")


_MISTYPED = re.compile(r"(s3|gs|hf):(?://|/?(?!/))(.*)", re.IGNORECASE | re.DOTALL)


def _path(text: str, expected: str) -> Path:
    from rtickets.platform.private import expanded

    if not text:
        raise argparse.ArgumentTypeError("the path is empty; give one, or . for this folder")
    meant = _MISTYPED.fullmatch(text)
    right = meant and f"{meant[1].lower()}://{meant[2]}"
    if right and right != text:  # runs of a cluster would lie on a disk of the first host
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address; give {right}, or ./{text} if it is a folder here"
        )
    if is_any_address(text):  # it would be a folder of this name here
        raise argparse.ArgumentTypeError(f"{text!r} is an address, not a path; give {expected}")
    try:
        return expanded(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def place_of(text: str) -> Path | str:
    """Return the path that a word stands for, or its address in a bucket, for argparse."""
    if not is_address(text):
        return _path(text, "a folder, s3://BUCKET/PATH or gs://...")
    try:
        return str(read_address(text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_workdir(options: argparse.Namespace) -> None:
    """Let a folder of this process stand for a working directory in a bucket."""
    if isinstance(workdir := getattr(options, "workdir", None), str):
        from rtickets.storage import workdirs

        options.workdir = workdirs.open_workdir(workdir)


def positive(text: str) -> int:
    """Return the integer that a word stands for, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number; give 1 or more")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give 0, 1 and so on")
    return int(text)
