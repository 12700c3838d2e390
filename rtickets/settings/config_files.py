"""Configurations as dataclasses, as editable `ConfigDict`s and as nested dictionaries.

A configuration file is Python with a function `get_config()` that returns what `editable` made of
one of the dataclasses of `rtickets.config`. Every field can then be overridden by name.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ml_collections import ConfigDict, config_dict
from pydantic import TypeAdapter, ValidationError

from rtickets.errors import InputError
from rtickets.settings.fields import find_kind
from rtickets.settings.variants import Variant

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
    """Return the int, float, bool or str of an optional field's annotation, None for others.

    A field that may hold several kinds has none.
    """
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if len([part for part in parts if part is not type(None)]) > 1:
        return None
    for part in parts:
        if get_origin(part) is Literal:
            part = type(get_args(part)[0])
        if part in (int, float, bool, str):
            return part
    return None


def to_dict(config: Any, *, exclude_defaults: bool = False) -> dict[str, Any]:
    """Return a configuration dataclass as nested dictionaries, in which tuples stay tuples."""
    # As its family, which adds the name of the entry.
    cls: Any = config.its_family() if isinstance(config, Variant) else type(config)
    return TypeAdapter(cls).dump_python(config, exclude_defaults=exclude_defaults)


def parse(cls: type[T], values: Mapping[str, Any]) -> T:
    """Turn nested dictionaries, a `ConfigDict` or parsed JSON into a checked, frozen configuration.

    Raises:
        InputError: naming every bad field at once.
    """
    if isinstance(values, ConfigDict):
        values = values.to_dict()
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        problems = [describe(problem, cls) for problem in error.errors()]
        raise InputError(f"bad {cls.__name__}: {'; '.join(problems)}") from None


def describe(problem: Any, cls: type | None = None) -> str:
    """Return one problem that pydantic found, as part of a line; `cls` lets it suggest names."""
    where = ".".join(str(part) for part in problem["loc"])
    # pydantic knows neither the fields that a name would have nor those that it was meant for.
    if problem["type"] == "unexpected_keyword_argument":
        if cls is None:
            return f"unknown field {where}"
        try:
            find_kind(cls, where)  # raises, with the names that may have been meant
        except InputError as error:
            return str(error)
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if problem["type"] == "string_pattern_mismatch":
        message = _allowed(cls, problem["loc"]) or message
    if not where or not _is_short(problem["input"]):
        return f"{where}: {message}" if where else message
    return f"{where}={problem['input']!r}: {message}"


def _is_short(value: Any) -> bool:
    """Whether a value that is wrong can be shown in a line: no part with fields, no long list."""
    if isinstance(value, tuple | list):
        return len(value) <= 5 and not any(isinstance(x, Mapping | tuple | list) for x in value)
    return not isinstance(value, Mapping)


def _allowed(cls: type | None, where: Sequence[Any]) -> str:
    """Return what a field that holds words of a pattern takes, '' where it is not known."""
    if where[-1:] == ("[key]",):
        return "expected a label of letters, digits, _ and - that begins with a letter or digit"
    try:
        kind = find_kind(cls, ".".join(map(str, where))) if cls else None
    except InputError:
        return ""
    return f"expected {kind.words}" if kind and kind.words != "str" else ""


def pick(choices: Mapping[str, T], argument: str) -> T:
    """Return what the argument of a configuration file stands for, what follows FILE.py: there.

    Raises:
        InputError: if it stands for nothing.
    """
    if argument not in choices:
        raise InputError(f"{argument!r} is none of what it takes: {', '.join(choices)}")
    return choices[argument]


def to_paths(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries under dotted paths."""
    paths: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            paths |= to_paths(value, f"{prefix}{name}.")
        else:
            paths[f"{prefix}{name}"] = value
    return paths


def parts_of(config: Any, cls: type[T]) -> Iterator[T]:
    """Yield the parts of a configuration that are of a class, at any depth."""
    if isinstance(config, cls):
        yield config
    elif isinstance(config, Mapping):
        for part in config.values():
            yield from parts_of(part, cls)
    elif dataclasses.is_dataclass(config):
        for field in dataclasses.fields(config):
            yield from parts_of(getattr(config, field.name), cls)


def replace(config: T, **changes: Any) -> T:
    """Return a configuration with fields replaced; a field of a part is written part__field.

    Where a `name` chooses the settings, those of a new name keep what both have in common.
    """
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = name.partition("__")
        if rest:
            nested.setdefault(head, {})[rest] = value
    flat = {name: value for name, value in changes.items() if "__" not in name}
    parts = {name: replace(getattr(config, name), **inner) for name, inner in nested.items()}
    if isinstance(config, Variant) and flat.get("name", config.name) != config.name:
        family: Any = config.its_family()
        return family(**{**family.as_another(to_dict(config), flat["name"]), **flat})
    return dataclasses.replace(config, **flat, **parts)  # type: ignore[type-var]


def replace_everywhere(config: T, changes: Mapping[str, Any]) -> T:
    """Return a configuration with the fields of these names replaced, wherever parts have them."""
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
