"""The verb that completes commands in a shell."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from rtickets.cli.verb import EXIT_HELP, Verb
from rtickets.errors import InputError

_HELP = f"""
bash: put this line into ~/.bashrc
    eval "$(rtickets completion bash)"
zsh: put this line into ~/.zshrc, after compinit
    eval "$(rtickets completion zsh)"
{EXIT_HELP}"""

# Bash replaces what follows the last = or : alone, so this is what it is given.
_BASH = r"""
_rtickets() {
    local line="${COMP_LINE:0:COMP_POINT}"
    mapfile -t COMPREPLY < <(rtickets completion words -- "$line" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _rtickets rtickets
""".lstrip()
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n" + _BASH.replace(
    'mapfile -t COMPREPLY < <(rtickets completion words -- "$line" 2>/dev/null)',
    'COMPREPLY=(${(f)"$(rtickets completion words -- "$line" 2>/dev/null)"})',
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "words"], metavar="bash|zsh")
    parser.add_argument("line", nargs="?", default="", help=argparse.SUPPRESS)


def make_completion(verbs: Callable[[], Mapping[str, Verb]]) -> Verb:
    """Return the verb; `verbs` returns all verbs of the command, this one among them."""

    def run(options: argparse.Namespace, config_words: Sequence[str]) -> None:
        if config_words:
            raise InputError(f"{config_words[0]}: the verb completion takes no configuration")
        if options.shell == "words":
            for word in complete(options.line, verbs()):
                print(word)
        else:
            print({"bash": _BASH, "zsh": _ZSH}[options.shell], end="")

    return Verb(run, "print what makes a shell complete commands", _add_options, _HELP)


def complete(line: str, verbs: Mapping[str, Verb]) -> list[str]:
    """Return how the last word of a command can go on.

    Args:
        line: the command up to the cursor.
        verbs: the verbs by name.

    Returns:
        What may stand in the place of the last word after its last '=' or ':'.
    """
    words = line.split()
    last = "" if not line or line[-1].isspace() else words.pop()
    verb = verbs.get(words[1]) if len(words) > 1 else None
    if verb is None:
        found: Iterable[str] = verbs if len(words) == 1 else ()
    elif last.startswith("--config=") and verb.config:
        from rtickets import shipped_configs

        found = (f"--config={name}" for name in shipped_configs.names())
    elif last.startswith("--config.") and verb.config:
        found = _fields(verb, last)
    else:
        found = _options(verb)
    start = re.match(r".*[=:]|", last)
    cut = len(start[0]) if start else 0
    return sorted({word[cut:] for word in found if word.startswith(last)})


def _options(verb: Verb) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    verb.add_options(parser)
    own = [word for action in parser._actions for word in action.option_strings]
    choices = [str(c) for a in parser._actions if not a.option_strings for c in a.choices or ()]
    return [*own, *choices, "--help", *(["--config=", "--config."] if verb.config else [])]


def _fields(verb: Verb, last: str) -> list[str]:
    """Return the fields of a configuration, and the values of one that has few."""
    from rtickets.config_fields import LABEL, fields_of

    assert verb.config is not None
    cls, default = verb.config()
    found = ["--config.help"]
    for field in fields_of(cls() if default is None else default):
        path = f"--config.{field.path}="
        if last.startswith(path):
            found += [path + word for word in field.words.split(" | ") if word.isidentifier()]
        elif field.path.partition(f".{LABEL}")[1]:
            found.append(path.partition(LABEL)[0])
        else:
            found.append(path)
    return found
