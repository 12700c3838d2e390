"""The fields of a configuration class: their paths, types, defaults and meaning.

What `--config.help` prints, what an override may name and what completion offers all come from the
dataclasses themselves: types from their annotations, meaning from the `Attributes:` of their
docstrings.
"""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from rtickets.errors import InputError
from rtickets.settings.kinds import OneOf
from rtickets.settings.variants import Variant

LABEL = "LABEL"
"""What stands for a label of the user's choice in the path of a field."""


class Kind(NamedTuple):
    """What a field holds.

    Attributes:
        section: the dataclass of a part with fields of its own, else None.
        label_of: for fields by label, such as `attacks`, what every label holds, else None.
        text: whether it holds words, which are taken as they are written.
        many: whether it holds a tuple, and nothing else.
        optional: whether it may be None.
        words: its type as users read it.
    """

    section: type | None = None
    label_of: Any = None
    text: bool = False
    many: bool = False
    optional: bool = False
    words: str = ""


class Field(NamedTuple):
    """A field with a value; its dotted path, its type and what it means, '' if undocumented."""

    path: str
    words: str
    value: Any
    meaning: str


def kind_of(annotation: Any) -> Kind:
    """Return what a field of this annotation holds."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    optional = NoneType in parts
    parts = tuple(part for part in parts if part is not NoneType)
    bare = [get_args(part)[0] if get_origin(part) is Annotated else part for part in parts]
    section: Any = bare[0] if len(bare) == 1 and dataclasses.is_dataclass(bare[0]) else None
    label_of = get_args(bare[0])[1] if get_origin(bare[0]) is Mapping else None
    # Of a Literal the first choice tells.
    text = any(part is str or isinstance(next(iter(get_args(part)), None), str) for part in bare)
    many = all(get_origin(part) is tuple for part in bare)
    words = " | ".join([_words(part) for part in parts] + ["None"] * optional)
    return Kind(section, label_of, text, many, optional, words)


def kinds_of(cls: type) -> dict[str, Kind]:
    """Return the kinds of the fields of a dataclass by name, in their order.

    Of a family of settings these are the fields of its first entry.
    """
    one: Any = cls.entry() if issubclass(cls, Variant) and cls.is_family() else cls
    hints = get_type_hints(one, include_extras=True)
    kinds = {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(one)}
    if issubclass(cls, Variant):
        kinds["name"] = kinds["name"]._replace(words=" | ".join(cls.entries))
    return kinds


def find_kind(cls: type, path: str, values: Any = None) -> Kind:
    """Return what a dotted path of a configuration holds.

    Args:
        cls: the configuration's dataclass.
        path: such as 'train.optimizer.momentum' or 'attacks.mine.eps'.
        values: nested dictionaries of the configuration, which say whose fields a part has where a
            name chooses them; without, the path may name a field of any.

    Returns:
        Its kind.

    Raises:
        InputError: for a name that is no field, with the close ones and all that are allowed.
    """
    names = path.split(".")
    kind = Kind(section=cls)
    for position, name in enumerate(names):
        if kind.label_of is not None:
            kind = kind_of(kind.label_of)
        else:
            known = _known(kind.section, name, values) if kind.section else {}
            if name not in known:
                above = ".".join(names[:position])
                raise InputError(
                    _unknown(cls, path, name, above, list(known)) + _of_names(kind.section, name)
                )
            kind = known[name]
        values = values.get(name) if isinstance(values, Mapping) else None
    return kind


def _known(section: type, name: str, values: Any) -> dict[str, Kind]:
    """Return the fields that a part has, in a family those of the entry that has the name."""
    if not issubclass(section, Variant) or not section.is_family():
        return kinds_of(section)
    if isinstance(values, Mapping) and values.get("name") in section.entries:
        return kinds_of(section.entry(values["name"]))
    of_entries = [kinds_of(entry) for entry in section.entries.values()]
    return next((kinds for kinds in of_entries if name in kinds), of_entries[0])


def fields_of(config: Any, prefix: str = "", declared: type | None = None) -> Iterator[Field]:
    """Yield the fields of a configuration with their values, depth first.

    Args:
        config: a dataclass.
        prefix: dotted path of `config` itself, with a final dot.
        declared: what may stand in its place, a family or one entry alone; None is its family.

    Yields:
        Fields that hold a value. Of a part that is None its own fields follow with the defaults
        that they have once one of them is set, of fields by label those of a new label, and of a
        part whose name chooses its fields those that other names have.
    """
    for name in kinds_of(type(config)):
        yield from _field(config, name, prefix)
    alone = declared is not None and issubclass(declared, Variant) and not declared.is_family()
    if isinstance(config, Variant) and not alone:
        yield from _of_other_names(config, prefix)


def _field(config: Any, name: str, prefix: str) -> Iterator[Field]:
    """Yield a field of a configuration, or those of its part."""
    kind, meaning = kinds_of(type(config))[name], _meanings(type(config)).get(name, "")
    path, value = f"{prefix}{name}", getattr(config, name)
    if name == "name" and isinstance(config, Variant):
        meaning = f"{meaning.rstrip('.')}; {config.its_family().described()}."
    if kind.label_of is not None:
        yield from _labelled(path, kind, value, meaning)
    elif kind.section is None:
        yield Field(path, kind.words, value, meaning)
    else:
        if value is None:
            yield Field(path, "None, or the fields below", None, meaning)
        own = kind.section() if value is None else value
        yield from fields_of(own, f"{path}.", kind.section)


def _of_other_names(config: Variant, prefix: str) -> Iterator[Field]:
    """Yield the fields that entries of other names have, with their defaults there."""
    entries, listed = config.its_family().entries, set(kinds_of(type(config)))
    for entry in entries.values():
        for name in [name for name in kinds_of(entry) if name not in listed]:
            listed.add(name)
            whose = ", ".join(other for other, each in entries.items() if name in kinds_of(each))
            for field in _field(entry(), name, prefix):
                yield field._replace(meaning=f"of {whose}: {field.meaning}")


def fields_at(config: Any, path: str) -> list[Field]:
    """Return the fields of a part of a configuration, or the one field that a path names.

    Args:
        config: a dataclass.
        path: a dotted path that `find_kind` knows; '' is everything. A label that is not there yet
            has the fields of a new one.

    Returns:
        The fields with their values, under the path.
    """
    asked = path.split(".") if path else []
    alike = []
    for field in fields_of(config):
        names = field.path.split(".")
        if len(names) >= len(asked) and all(
            name in (own, LABEL) for own, name in zip(asked, names, strict=False)
        ):
            alike.append((names, field))
    # A path that was written out goes before the fields of any new label, which it also matches.
    exact = [field for names, field in alike if names[: len(asked)] == asked]
    return exact or [
        field._replace(path=".".join([*asked, *names[len(asked) :]])) for names, field in alike
    ]


def _labelled(path: str, kind: Kind, value: Mapping[str, Any], meaning: str) -> Iterator[Field]:
    inner = kind_of(kind.label_of)
    yield Field(path, "by label", sorted(value), meaning)
    if inner.section is None:
        for label, own in value.items():
            yield Field(f"{path}.{label}", inner.words, own, meaning)
        yield Field(f"{path}.{LABEL}", inner.words, None, meaning)
        return
    for label, part in value.items():
        yield from fields_of(part, f"{path}.{label}.")
    yield from fields_of(inner.section(), f"{path}.{LABEL}.")


def _meanings(cls: type) -> dict[str, str]:
    """Return what the `Attributes:` of docstrings say, its own and those above, by name."""
    found: dict[str, str] = {}
    # From the base up, so that a class has the last word on the fields that it describes anew.
    for one in reversed(cls.__mro__):
        _, _, text = inspect.cleandoc(one.__doc__ or "").partition("\nAttributes:\n")
        entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", text, re.MULTILINE)
        found |= {name: re.sub(r"\s*\n\s*", " ", meaning) for name, meaning in entries}
    return found


def _unknown(cls: type, path: str, name: str, above: str, known: list[str]) -> str:
    if not known:
        return f"unknown field {path}: {above} is a value and has no fields"
    close = difflib.get_close_matches(name, known, n=2)
    close = [f"{above}.{one}" if above else one for one in close]
    close = close or [one for one in _elsewhere(cls, name) if one != path]
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    return f"unknown field {path}{hint}; the fields of {above or 'config'} are {', '.join(known)}"


def _of_names(section: type | None, name: str) -> str:
    """Return which names of a family have a field that this one lacks."""
    if section is None or not issubclass(section, Variant) or not section.is_family():
        return ""
    have = [other for other, entry in section.entries.items() if name in kinds_of(entry)]
    return f"; with name={' or '.join(have)} there is a field {name}: set it first" if have else ""


def _elsewhere(cls: type, name: str) -> list[str]:
    """Return the paths of the fields of other parts that are called so, or nearly so."""
    paths = {field.path: field.path.rpartition(".")[2] for field in fields_of(cls())}
    names = sorted(set(paths.values()))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.75) or [
        n for n in names if _initials(n) == name
    ]
    return [path for path, last in paths.items() if last in close][:3]


def _initials(name: str) -> str:
    """Return what is left of a name in common speech, such as 'lr' of 'learning_rate'."""
    return "".join(word[0] for word in name.split("_") if word)


def _words(annotation: Any) -> str:
    """Return a type as users read it, such as 'int > 0' or 'natural | pgd'."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return _bounded(_words(inner), extras)
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        inner = [part for part in get_args(annotation) if part is not Ellipsis]
        more = ", ..." if Ellipsis in get_args(annotation) else ""
        return f"({', '.join(_words(part) for part in inner)}{more})"
    return getattr(annotation, "__name__", str(annotation))


def _bounded(words: str, extras: list[Any]) -> str:
    patterns = [str(e.pattern) for e in extras if isinstance(e, StringConstraints)]
    # A pattern tells a user nothing: those of `kinds` and of the patterns of masks have words.
    if any(r"(ep|it)" in pattern for pattern in patterns):
        return "duration such as 160ep or 500it"
    if any("block:" in pattern for pattern in patterns):
        return "element | row | kernel | channel | channel_linked | block:AxB | N:M"
    for extra in extras:
        if isinstance(extra, OneOf):
            return " | ".join(extra.entries)
    limits = [each for e in extras if isinstance(e, FieldInfo) for each in e.metadata]
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [
        f"{sign} {getattr(limit, name):g}"
        for name, sign in signs.items()
        for limit in limits
        if getattr(limit, name, None) is not None
    ]
    return f"{words} {' and '.join(found)}" if found else words
