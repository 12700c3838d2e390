"""The options of the command as argparse reads them, and what it says of words that are none."""

import argparse
import difflib
import re
from collections.abc import Collection
from typing import NoReturn

from rtickets.errors import printable
from rtickets.platform import statuses
from rtickets.settings import shipped_configs


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, without its whole usage."""

    def error(self, message: str) -> NoReturn:
        """End the process with a line and the status of bad input."""
        said = printable(f"{message}{_meant(message)}")
        self.exit(statuses.BAD_INPUT, f"rtickets: {said}; see {self.prog} --help\n")


def _meant(message: str) -> str:
    """Return what may have been meant where argparse says which words there are."""
    found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
    close = difflib.get_close_matches(found[1], re.findall(r"[\w-]+", found[2])) if found else []
    return f"; did you mean {' or '.join(close)}?" if close else ""


def what_is_wrong(word: str, options: Collection[str], takes_config: bool) -> str:
    """Say of a word that no option takes what may have been meant.

    Args:
        options: those that there are, as --workdir.
        takes_config: whether the verb has a configuration.
    """
    name, sign, _ = word.partition("=")
    if not word.startswith("-"):
        known = word.endswith(".py") or word in shipped_configs.names()
        meant = f"; a configuration is given as --config={word}" if takes_config and known else ""
        return f"nothing is expected where {word!r} stands{meant}"
    if close := difflib.get_close_matches(name, options, n=1, cutoff=0.8):
        return f"there is no option {name} (did you mean {close[0]}?)"
    field = name.lstrip("-")
    if not takes_config or not name.startswith("--"):
        return f"there is no option {name}"
    if not field.replace(".", "_").isidentifier():  # fields have no dashes
        return f"there is no option {name}; --config.help shows the fields of the configuration"
    value = word.partition("=")[2] if sign else "VALUE"
    return f"there is no option {name}; a field of the configuration is --config.{field}={value}"
