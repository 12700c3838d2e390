"""Configurations from the command line: `--config=FILE.py` and `--config.field=value`."""

import ast
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ml_collections import ConfigDict
from pydantic import ValidationError

from rtickets import config as configs
from rtickets.errors import InputError
from rtickets.settings import shipped_configs
from rtickets.settings.config_files import describe, editable, parse
from rtickets.settings.fields import Kind, find_kind, kind_of, kinds_of
from rtickets.settings.variants import Variant

T = TypeVar("T")

_OF_FILES = (
    configs.PretrainConfig,
    configs.DrawConfig,
    configs.TransferConfig,
    configs.EvaluateConfig,
    configs.StudyConfig,
    configs.RestorationStudyConfig,
    configs.SearchConfig,
    configs.PipelineStudyConfig,
    configs.RestoreConfig,
)
_NUMBER = r"\d+(?:\.\d+)?"
_FRACTION = rf"({_NUMBER})/({_NUMBER})"


def from_command_line(cls: type[T], arguments: Sequence[str], default: T | None = None) -> T:
    """Read `--config=FILE.py` and its `--config.field=value` overrides.

    Numbers may be written as fractions, so `--config.train.objective.attack.eps=8/255` works. A
    label that is not there yet, as in `--config.attacks.mine.name=square`, is added, and a part
    that is None begins, both with the defaults of their class. `None` is no value, where a field
    may be without. Of a part whose settings its name chooses, `--config.attacks.mine=square` is
    short for that; it keeps what the file sets of the fields that both have.

    Args:
        cls: the dataclass that the file must describe.
        default: configuration to use without a file; None makes the file obligatory.

    Raises:
        InputError: for a missing or broken file, an unknown field or a bad value.
    """
    file, words = split_file(arguments)
    if file is not None:
        values = _load(file).to_dict()
        _check_class(cls, values, file)
    elif default is not None:
        values = editable(default).to_dict()
    else:
        raise InputError(
            "--config=FILE.py is missing; it may also be the name of a file that comes with the "
            "package, see rtickets configs list"
        )
    for path, text in _names_first(cls, list(_overrides(words))):
        _change(cls, values, path, text)
    return parse(cls, values)


def _change(cls: type, values: dict[str, Any], path: str, text: str) -> None:
    """Write what a text stands for into nested dictionaries of a configuration."""
    family = _family_of(cls, path, text)
    path = f"{_part(path)}.name" if family else path
    kind = find_kind(cls, path, values)
    if kind.section and not (kind.optional and text == "None"):
        fields = f"--config.{path}.FIELD=VALUE"
        raise InputError(f"{path}={text!r}: {path} has fields of its own; write {fields}")
    if kind.label_of is not None and not text.strip().startswith("{"):
        inner = ".FIELD" if kind_of(kind.label_of).section else ""
        raise InputError(
            f"{path}={text!r}: {path} has a part for every label; write "
            f"--config.{path}.LABEL{inner}=VALUE, or {{}} for none"
        )
    node = values
    *parents, name = path.split(".")
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
    if family is not None and text in family.entries:
        changed = family.as_another(node, text)
        node.clear()  # in place, as the part above holds it
        node.update(changed)
    node[name] = _value(kind, text)


def _part(path: str) -> str:
    return path.removesuffix(".name")


def _family_of(cls: type, path: str, text: str) -> type[Variant] | None:
    """Return the family of settings of which a path, that of a part or its name, chooses one."""
    try:
        kind = find_kind(cls, _part(path))
    except InputError:  # said better where the values are known
        return None
    family = kind.section
    if (kind.optional and text == "None") or family is None or not issubclass(family, Variant):
        return None
    return family if family.is_family() else None


def _names_first(cls: type, changes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Put what chooses the settings of a part before the first field of that part."""

    def place(index: int) -> tuple[int, bool]:
        path, text = changes[index]
        if _family_of(cls, path, text) is None:
            return index, True
        below = (i for i, (other, _) in enumerate(changes) if other.startswith(f"{_part(path)}."))
        return min(index, *below, index), False

    return [changes[index] for index in sorted(range(len(changes)), key=place)]


def split_file(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of --config, if it is there, and the other words.

    Raises:
        InputError: if there are two different files, of which one would be ignored.
    """
    file: str | None = None
    others = []
    words = iter(arguments)
    for word in words:
        match = re.fullmatch(r"--?config(=(?P<value>.*))?", word, re.DOTALL)
        if match:
            given = match["value"] if match["value"] is not None else next(words, "")
            if file not in (None, given):
                raise InputError(f"--config={file} and --config={given}: give one file")
            file = given
        else:
            others.append(word)
    return file, others


def _overrides(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every override."""
    rest = iter(words)
    for word in rest:
        match = re.fullmatch(r"--?config\.([^=]+)(=(.*))?", word, re.DOTALL)
        if match is None:
            raise InputError(f"unexpected argument {word!r}")
        text = match[3] if match[2] else next(rest, None)
        if text is None:
            raise InputError(f"{word} lacks a value; write {word}=VALUE")
        yield match[1], text


def _value(kind: Kind, text: str) -> Any:
    """Return what a text stands for, as far as Python's literals say it; `parse` does the rest."""
    if kind.optional and text == "None":
        return None
    if kind.text and not kind.many:
        return text
    quoted = "'" in text or '"' in text  # a regular expression may have 1/2 in it
    try:
        value = ast.literal_eval(text if quoted else re.sub(_FRACTION, _divided, text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if not kind.many or isinstance(value, tuple | list):
        return value
    if isinstance(value, str):  # 30ep,60ep has no quotes
        bare = value[1:-1] if re.fullmatch(r"\([^()]*\)", value) else value
        return tuple(part.strip() for part in bare.split(",") if part.strip())
    return (value,)


def _divided(match: re.Match[str]) -> str:
    return match[0] if float(match[2]) == 0 else repr(float(match[1]) / float(match[2]))


def _check_class(cls: type, values: Mapping[str, Any], file: str) -> None:
    """Raise InputError if a file describes what another verb takes."""
    # The file holds names and values alone; each of the classes has fields of its own.
    if set(values) == set(kinds_of(cls)):
        return
    for other in _OF_FILES:
        if set(values) == set(kinds_of(other)):
            raise InputError(
                f"--config={file} describes a {other.__name__}; expected a {cls.__name__}, see "
                "rtickets configs list for those that there are"
            )


def _load(file: str) -> ConfigDict:
    """Call get_config() of FILE.py, or get_config(argument) of FILE.py:argument."""
    # A file's own name may have a colon.
    path, *argument = [file] if Path(file).is_file() else file.rsplit(":", 1)
    found = Path(path) if Path(path).is_file() else shipped_configs.find(path)
    spec = importlib.util.spec_from_file_location("rtickets_config_file", found)
    if spec is None or spec.loader is None:
        raise InputError(f"--config={file}: no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "get_config", None)):
            raise InputError(
                f"--config={file}: has no function get_config(), which returns the configuration; "
                "`rtickets configs show NAME` shows how those of the package do it"
            )
        _check_argument(module.get_config, path, argument)
        config = module.get_config(*argument)
    except InputError as error:
        about = f"--config={file}: "
        raise InputError(f"{about}{str(error).removeprefix(about)}") from None
    except ValidationError as error:
        cls = getattr(configs, error.title, None)
        problems = "; ".join(describe(problem, cls) for problem in error.errors())
        raise InputError(f"--config={file}: bad {error.title}: {problems}") from None
    except (Exception, SystemExit) as error:  # what a user's file does wrong is a bad input
        raise InputError(f"--config={file}: {type(error).__name__}: {error}") from None
    if not isinstance(config, ConfigDict):
        raise InputError(
            f"--config={file}: get_config() returned a {type(config).__name__}; expected what "
            "rtickets.settings.config_files.editable makes of a configuration"
        )
    return config


def _check_argument(get_config: Callable[..., Any], path: str, argument: Sequence[str]) -> None:
    """Raise InputError if a file's function does not take what follows the colon, or needs it."""
    try:
        inspect.signature(get_config).bind(*argument)
    except TypeError:
        raise InputError(
            f"it takes nothing after a colon; give --config={path}"
            if argument
            else f"it needs an argument; give --config={path}:ARGUMENT"
        ) from None
