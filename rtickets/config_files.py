"""Configurations from files and the command line, checked, hashed and stored.

A configuration file is Python with a function `get_config()` that returns what `editable` made of
one of the dataclasses of `rtickets.config`. Every field can then be overridden by name.
"""

import dataclasses
import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from absl import flags
from ml_collections import ConfigDict, config_dict, config_flags
from pydantic import TypeAdapter, ValidationError

from rtickets.errors import InputError

T = TypeVar("T")


def editable(config: Any) -> ConfigDict:
    """Return a locked `ConfigDict` with every field of a configuration dataclass."""
    return _fill(config).lock()


def _fill(config: Any) -> ConfigDict:
    """Copy a dataclass into a ConfigDict; None becomes a placeholder that knows its type."""
    filled = ConfigDict()
    hints = get_type_hints(type(config))
    for name in (field.name for field in dataclasses.fields(config)):
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            value = _fill(value)
        elif isinstance(value, Mapping):
            parts = {k: _fill(v) if dataclasses.is_dataclass(v) else v for k, v in value.items()}
            value = ConfigDict(parts)
        elif value is None and (kind := _plain_type(hints[name])) is not None:
            value = config_dict.placeholder(kind)
        filled[name] = value
    return filled


def _plain_type(hint: Any) -> type | None:
    """Return the int, float, bool or str of an optional field's annotation, None for others."""
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        if get_origin(part) is Literal:
            part = type(get_args(part)[0])
        if part in (int, float, bool, str):
            return part
    return None


def to_dict(config: Any, *, exclude_defaults: bool = False) -> dict[str, Any]:
    """Return a configuration dataclass as nested dictionaries.

    Args:
        config: a dataclass of `rtickets.config`.
        exclude_defaults: leave out the fields that have their default value.

    Returns:
        Dictionaries with string keys; tuples stay tuples.
    """
    return TypeAdapter(type(config)).dump_python(config, exclude_defaults=exclude_defaults)


def parse(cls: type[T], values: Mapping[str, Any]) -> T:
    """Turn nested dictionaries into a checked configuration.

    Args:
        cls: a dataclass of `rtickets.config`.
        values: nested dictionaries, a `ConfigDict` or parsed JSON.

    Returns:
        The frozen dataclass.

    Raises:
        InputError: naming every bad field at once.
    """
    if isinstance(values, ConfigDict):
        values = values.to_dict()
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        problems = [_describe(cls, problem) for problem in error.errors()]
        raise InputError(f"bad {cls.__name__}: {'; '.join(problems)}") from None


def _describe(cls: type | None, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "unexpected_keyword_argument":
        return f"unknown field {where}{_suggest(cls, str(problem['loc'][-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(problem["input"], Mapping | tuple | list) or not where:
        return f"{where}: {message}" if where else message
    return f"{where}={problem['input']!r}: {message}"


def _suggest(cls: type | None, name: str) -> str:
    if cls is None:
        return ""
    known = {leaf for path in to_paths(editable(cls()).to_dict()) for leaf in path.split(".")}
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def to_paths(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries under dotted paths."""
    paths: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            paths |= to_paths(value, f"{prefix}{name}.")
        else:
            paths[f"{prefix}{name}"] = value
    return paths


def from_command_line(cls: type[T], arguments: Sequence[str], default: T | None = None) -> T:
    """Read `--config=FILE.py` and its `--config.field=value` overrides.

    Numbers may be written as fractions, so `--config.train.objective.attack.eps=8/255` works.

    Args:
        cls: the dataclass that the file must describe.
        arguments: the arguments after the verb that concern the configuration.
        default: configuration to use without a file; None makes the file obligatory.

    Returns:
        The checked configuration.

    Raises:
        InputError: for a missing or broken file, an unknown field or a bad value.
    """
    file, overrides = _split_file(arguments)
    if file is not None:
        config = _load(file)
    elif default is not None:
        config = editable(default)
    else:
        raise InputError("--config=FILE.py is missing")
    words = ["rtickets", *(_evaluate_fraction(word, config) for word in overrides)]
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=words)
        extra = values(words)[1:]
        config = values.config
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(_one_line(error)) from None
    if extra:
        raise InputError(f"unexpected argument {extra[0]!r}")
    return parse(cls, config)


def _split_file(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of --config, if it is there, and the other words."""
    file, others = None, []
    words = iter(arguments)
    for word in words:
        match = re.fullmatch(r"--?config(=(?P<value>.*))?", word)
        if match:
            file = match["value"] if match["value"] is not None else next(words, "")
        else:
            others.append(word)
    return file, others


def _load(file: str) -> ConfigDict:
    """Call get_config() of FILE.py, or get_config(argument) of FILE.py:argument."""
    path, *argument = [file] if Path(file).is_file() else file.rsplit(":", 1)
    spec = importlib.util.spec_from_file_location("rtickets_config_file", path)
    if not Path(path).is_file() or spec is None or spec.loader is None:
        raise InputError(f"--config={file}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config(*argument)
    except ValidationError as error:
        problems = "; ".join(_describe(None, problem) for problem in error.errors())
        raise InputError(f"--config={file}: bad {error.title}: {problems}") from None
    except Exception as error:  # whatever a user's file does wrong is a bad input of ours
        raise InputError(f"--config={file}: {type(error).__name__}: {error}") from None
    if not isinstance(config, ConfigDict):
        raise InputError(
            f"--config={file}: get_config() returned a {type(config).__name__}; expected what "
            "rtickets.config_files.editable makes of a configuration"
        )
    return config


def _evaluate_fraction(word: str, config: ConfigDict) -> str:
    """Replace --config.field=A/B by its value where the field is a number, such as a radius."""
    match = re.fullmatch(r"(--?config\.([^=]+)=)(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", word)
    if match is None or float(match[4]) == 0:
        return word
    *parents, name = match[2].split(".")
    for parent in parents:
        config = (
            config.get(parent, ConfigDict()) if isinstance(config, ConfigDict) else ConfigDict()
        )
    if not isinstance(config, ConfigDict) or name not in config:
        return word
    number = config.get_type(name) is float
    return f"{match[1]}{float(match[3]) / float(match[4])!r}" if number else word


def _one_line(error: BaseException) -> str:
    text = str(error.args[0] if error.args else error)
    return re.sub(r"\s*(\n|\\n)\s*", ". ", text.replace("\\'", "'")).strip("' ")


def replace(config: T, **changes: Any) -> T:
    """Return a configuration with fields replaced; a field of a part is written part__field."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = name.partition("__")
        if rest:
            nested.setdefault(head, {})[rest] = value
    flat = {name: value for name, value in changes.items() if "__" not in name}
    parts = {name: replace(getattr(config, name), **inner) for name, inner in nested.items()}
    return dataclasses.replace(config, **flat, **parts)  # type: ignore[type-var]


def replace_everywhere(config: T, changes: Mapping[str, Any]) -> T:
    """Return a configuration with the fields of these names replaced, at any depth.

    Args:
        config: a dataclass of `rtickets.config`.
        changes: new values by the name of the field.

    Returns:
        A new configuration; parts that lack the fields stay as they are.
    """
    if isinstance(config, Mapping):
        parts = {name: replace_everywhere(part, changes) for name, part in config.items()}
        return parts  # type: ignore[return-value]
    if not dataclasses.is_dataclass(config):
        return config
    own = {}
    for name in (field.name for field in dataclasses.fields(config)):
        value = getattr(config, name)
        own[name] = changes[name] if name in changes else replace_everywhere(value, changes)
    return dataclasses.replace(config, **own)  # type: ignore[type-var]
