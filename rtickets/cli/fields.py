"""The option --config.help: what can be set, of which type, to what it is set, what it means."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from rtickets.cli.verb import Verb, refuse_config

_OPTION = re.compile(r"--?config\.help(=(?P<part>.*))?")


def asks_for_help(config_words: Sequence[str]) -> bool:
    """Return whether --config.help is among the words."""
    return any(_OPTION.fullmatch(word) for word in config_words)


def print_fields(verb: Verb, name: str, config_words: Sequence[str]) -> None:
    """Print the fields of a verb's configuration.

    Args:
        name: of the verb.
        config_words: words that concern the configuration, with --config.help or
            --config.help=FIELD, which lists a part alone. Other words set the values shown.

    Raises:
        InputError: for a verb without a configuration, a part that is no field, or words that do
            not read.
    """
    from rtickets.cli import overrides
    from rtickets.settings.fields import fields_at, find_kind

    if verb.config is None:
        return refuse_config(name, config_words)
    cls, default = verb.config()
    asked = [match for word in config_words if (match := _OPTION.fullmatch(word))]
    part = asked[0]["part"]
    if part:
        find_kind(cls, part)
    rest = [word for word in config_words if not _OPTION.fullmatch(word)]
    config = overrides.from_command_line(cls, rest, cls() if default is None else default)
    for field in fields_at(config, part or ""):
        print(f"--config.{field.path}={_shown(field.value)}  [{field.words}]")
        indent = " " * 6
        print(textwrap.fill(field.meaning, 98, initial_indent=indent, subsequent_indent=indent))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
