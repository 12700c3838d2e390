"""How a command of a page is executed: verbs in this process, all else by a shell."""

import contextlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rtickets import cli
from rtickets.cli.verb import read_config
from rtickets.errors import InputError
from tests.pages import table
from tests.pages.blocks import ROOT, Command
from tests.pages.made import Place

SECONDS = 900  # that a script may take on a busy machine


def named(command: Command, names: Sequence[str] | dict[str, str]) -> str | None:
    """Return the longest of the names that a command begins with."""
    found = [name for name in names if command.text.startswith(name)]
    return max(found, key=len, default=None)


def script_of(command: Command) -> str | None:
    """Return the script of this repository that a command runs."""
    found = re.search(r"\bpython (tests/\S+\.py)", command.text)
    return found and found[1]


def filled(command: Command) -> str:
    """Return the text of a command with what the tables say in the place of the reader's own."""
    text = f"{command.text} "
    for old, new in {**table.FILLED, **table.FILLED_ON.get(command.page, {})}.items():
        text = text.replace(old, new)
    script = script_of(command)
    if script in table.SCRIPTS:
        numbers, more = table.SCRIPTS[script]
        for old, new in numbers.items():
            text = text.replace(old, new)
        text = f"{text} {more}"
    return text.strip()


def within(command: Command) -> str | None:
    """Return the command of one machine within one of a cluster."""
    for pattern, one in table.WITHIN:
        if found := re.fullmatch(pattern, filled(command), re.DOTALL):
            return found.expand(one)
    return None


def lacking(command: Command) -> list[str]:
    """Return the modules and folders that a command needs and that are not there."""
    found = [needed for name, needed in table.NEEDS.items() if name in command.text]
    names = {one for needed in found for one in needed}
    return sorted(name for name in names if not _is_there(name))


def _is_there(name: str) -> bool:
    if name.startswith("/"):
        return any(Path("/").glob(name.removeprefix("/")))
    return importlib.util.find_spec(name) is not None


def execute(command: Command, place: Place) -> str | None:
    """Execute a command in its place, and return what is wrong."""
    inner = within(command)
    text = inner or filled(command)
    for name, value in place.values.items():
        text = re.sub(rf"(?<![\w-]){name}(?!\w)", lambda _, value=value: value(), text)
    words = shlex.split(os.path.expandvars(text))
    while words and (found := re.fullmatch(r"(\w+)=(.*)", words[0])):
        place.patch.setenv(found[1], found[2])
        words = words[1:]
    if not words:
        return None
    if words[0] != "rtickets":
        return in_shell(as_looked_for(text))
    if ">" not in words:
        return in_process(words[1:], dry=inner is not None)
    *words, _, name = words
    with Path(name).open("w") as file, contextlib.redirect_stdout(file):
        return in_process(words[1:])


def as_looked_for(text: str) -> str:
    """Return a command that installs something as one that only looks whether it could."""
    if "install" not in text.split():
        return text
    for pattern, one in table.INSTALLED:
        text = re.sub(pattern, one, text)
    return text.replace("CHECKOUT", str(ROOT))


def in_process(words: Sequence[str], dry: bool = False) -> str | None:
    """Run a verb, small or dry, and return what is wrong."""
    own = [word for word in words if not word.startswith(table.OF_SEVERAL)]
    own = [one for word in own for one in _matching(word)]
    dry = dry or own[0] in table.DRY or len(own) < len(words)
    if dry or any(word in table.DRY_WORDS for word in own):
        own = own if "--dry-run" in own else [*own, "--dry-run"]
    elif own[0] in table.SMALL_VERBS:
        own += table.SMALL_VERBS[own[0]].split()
    elif own[0] in cli.STAGE_VERBS and "--dry-run" not in own:
        own += small(own)
    try:
        status = cli.main(own)
    except SystemExit as error:
        status = error.code
    except Exception:
        return f"{shlex.join(own)}\n{traceback.format_exc()[-1500:]}"
    return f"status {status}: rtickets {shlex.join(own)}" if status else None


def _matching(word: str) -> list[str]:
    """Return the paths that a shell makes of a word."""
    is_pattern = "*" in word and not word.startswith("--") and "://" not in word
    return (sorted(map(str, Path().glob(word))) if is_pattern else []) or [word]


def small(words: Sequence[str]) -> list[str]:
    """Return the words that make a stage small, of those that its configuration accepts."""
    _, config_words = cli._split_config(words)
    verb, found = cli.VERBS[words[0]], list[str]()
    for pattern, value in table.SMALL:
        config = read_config(verb, [*config_words, *found])
        for path in _fields(config, pattern.split(".")):
            with contextlib.suppress(InputError):  # an encoder has no width, and so on
                read_config(verb, [*config_words, *found, f"--config.{path}={value}"])
                found.append(f"--config.{path}={value}")
    return found


def _fields(config: Any, path: Sequence[str]) -> Iterator[str]:
    """Yield the names of the fields of a configuration that match a path."""
    first, *rest = path
    if first == "*":
        found = dict(config)
    else:
        found = {first: getattr(config, first)} if hasattr(config, first) else {}
    for name, value in found.items():
        if not rest:
            yield name
        elif value is not None:
            yield from (f"{name}.{inner}" for inner in _fields(value, rest))


def in_shell(text: str) -> str | None:
    """Run a command by bash, with the Python that runs this, and return what is wrong."""
    ours = {"PATH": Path(sys.executable).parent, "PYTHONPATH": ROOT}
    own = {name: [str(path), os.environ.get(name, "")] for name, path in ours.items()}
    paths = {name: os.pathsep.join(filter(None, each)) for name, each in own.items()}
    done = subprocess.run(
        ["bash", "-c", text], env={**os.environ, **paths}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    return f"status {done.returncode}: {text}\n{done.stderr[-1500:]}" if done.returncode else None
