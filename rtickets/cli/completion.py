"""The verb that completes commands in a shell."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from rtickets.cli.verb import CONFIG_HELP, EXIT_HELP, Verb, refuse_config

_TYPES = {"str", "int", "float", "bool"}
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
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace
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
        refuse_config("completion", config_words)
        if options.shell == "words":
            for word in complete(options.line, verbs()):
                print(word)
        else:
            print({"bash": _BASH, "zsh": _ZSH}[options.shell], end="")

    return Verb(run, "print what makes a shell complete commands", _add_options, _HELP)


def complete(line: str, verbs: Mapping[str, Verb]) -> list[str]:
    """Return how the last word of a command, given up to the cursor, can go on.

    It is what may stand in the place of that word after its last '=' or ':', see `_BASH`.
    """
    words = line.split()
    last = "" if not line or line[-1].isspace() else words.pop()
    verb = verbs.get(words[1]) if len(words) > 1 else None
    if len(words) == 1:
        found: Iterable[str] = [*verbs, "--help", "--version"]
    elif verb is None:
        found = ()
    else:
        found = _words_of(verb, words, last)
    start = re.match(r".*[=:]|", last)
    cut = len(start[0]) if start else 0
    return sorted({word[cut:] for word in found if word.startswith(last) and word != last})


def _words_of(verb: Verb, words: Sequence[str], last: str) -> Iterable[str]:
    """Return what may follow the words of a command that has its verb."""
    parser = argparse.ArgumentParser(add_help=False)
    verb.add_options(parser)
    # argparse has no public way to ask for its options; bash and zsh could not do without.
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    chosen = next((word for word in words[2:] if actions and word in actions[0].choices), None)
    has_config = verb.config is not None
    if actions and chosen is None:
        return [*actions[0].choices, "--help"]
    if chosen is not None:
        parser = actions[0].choices[chosen]
        has_config = has_config and parser.epilog == CONFIG_HELP
    if has_config and words[-1] == "--config":
        return _names_of_configs()
    if has_config and last.startswith("--config="):
        return [f"--config={name}" for name in _names_of_configs()]
    if has_config and last.startswith("--config."):
        return _fields(verb, last)
    return [
        *_options(parser, words[-1]),
        *_names(words[1], chosen),
        *(["--config=", "--config."] if has_config else []),
    ]


def _options(parser: argparse.ArgumentParser, before: str) -> list[str]:
    """Return the options of a parser, and the values of those that have few."""
    found = ["--help"]
    for action in parser._actions:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and before in action.option_strings:
            return choices
        found += action.option_strings or choices
        found += [f"{name}={choice}" for name in action.option_strings for choice in choices]
    return found


def _names(verb: str, action: str | None) -> list[str]:
    """Return the names that a verb's action takes."""
    if verb == "configs" and action in ("show", "copy"):
        return _names_of_configs()
    if (verb, action) == ("data", "prepare"):
        from rtickets.data.sources.public import PUBLIC_SETS

        return [*PUBLIC_SETS, "voc2012", "tfds:"]
    return []


def _names_of_configs() -> list[str]:
    from rtickets.settings import shipped_configs

    return shipped_configs.names()


def _fields(verb: Verb, last: str) -> list[str]:
    """Return the fields of a configuration, and the values of one that has few."""
    from rtickets.settings.fields import fields_of

    assert verb.config is not None
    cls, default = verb.config()
    found = ["--config.help"]
    for field in fields_of(cls() if default is None else default):
        path = _labelled(f"--config.{field.path}=", last)
        if path.endswith("=") and last.startswith(path):
            found += [path + word for word in _values(field.words)]
        else:
            found.append(path)
    return found


def _labelled(path: str, last: str) -> str:
    """Return the path of a field with the labels that a word has in it.

    It ends before the first label that the word does not have whole.
    """
    from rtickets.settings.fields import LABEL

    typed = last.partition("=")[0].split(".")
    whole = len(typed) if "=" in last else len(typed) - 1
    names = path.removesuffix("=").split(".")
    for position, name in enumerate(names):
        if name == LABEL and not (position < whole and typed[position]):
            return ".".join([*names[:position], ""])
        if name == LABEL:
            names[position] = typed[position]
    return ".".join(names) + "="


def _values(words: str) -> list[str]:
    """Return the values that the type of a field lists."""
    parts = words.split(" | ")
    found = [part for part in parts if part.isidentifier() and part not in _TYPES]
    return [*found, "True", "False"] if "bool" in parts else found
