"""Settings that a name chooses: families of dataclasses, each with its own fields.

A family is a base class with a registry, `entries`: a plain dictionary from names to subclasses,
the default one first. It stands for all of them:

- `Base(name="lars", ...)` and `Base(...)` are settings of the entry of that name, or of the first;
- a field of a configuration that is annotated with it takes any of them, and mappings whose 'name'
  chooses the entry, which then must have every other key as a field;
- an entry is dumped with its own fields, and with its name even where defaults are left out, unless
  it is the first.

So whoever adds an entry writes a subclass in a file of its own and a line of the registry. A file
of a user's adds to the same dictionary.
"""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_type_hints

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from rtickets.settings.kinds import STRICT


@dataclass(frozen=True, config=STRICT)
class Variant:
    """Settings of one entry of a family, see the head of this module.

    Attributes:
        name: which of the family.
    """

    name: str = ""
    family: ClassVar[str] = "variant"
    entries: ClassVar[dict[str, Any]]

    def __new__(cls, *_: Any, **fields: Any) -> "Variant":
        """Return an instance of the entry that is asked for, where the family is."""
        return object.__new__(cls.entry(fields.get("name")) if cls.is_family() else cls)

    @classmethod
    def is_family(cls) -> bool:
        """Whether this is a family itself, not one of its entries."""
        return "entries" in vars(cls)

    @classmethod
    def its_family(cls) -> Any:
        """Return the family that an entry belongs to."""
        return next(one for one in cls.__mro__ if "entries" in vars(one))

    @classmethod
    def entry(cls, name: str | None = None) -> Any:
        """Return the class of a name, the first for None; raise ValidationError for others."""
        if name is None:
            name = next(iter(cls.entries))
        if name not in cls.entries:
            known = ", ".join(map(repr, cls.entries))
            raise _errors(cls, {"name": (name, f"there is no such {cls.family}; choose {known}")})
        return cls.entries[name]

    @classmethod
    def described(cls) -> str:
        """Return all entries of the family with what their docstrings begin with."""
        docs = {name: inspect.cleandoc(each.__doc__ or "") for name, each in cls.entries.items()}
        firsts = {name: doc.partition("\n\n")[0].rstrip(".") for name, doc in docs.items()}
        return "; ".join(f"{name!r}: {' '.join(doc.split())}" for name, doc in firsts.items())

    @classmethod
    def as_another(cls, values: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return settings of one entry, named in `values`, as those of the entry `name`.

        Args:
            values: fields of the entry that they name.
            name: the other entry.

        Returns:
            All fields of the other one: of what the two have in common the values that are not the
            first one's default, else its own defaults. The same holds within parts; where it has a
            part of another name than the first, that part's settings become its own.
        """
        return _carry_over(values, cls.entry(values.get("name"))(), cls.entry(name)())

    # Before pydantic looks: it would call fields unknown, without the entries that have them.
    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        """Refuse fields that this entry does not have, and say which ones have them."""
        if isinstance(values, Mapping):
            values = cls._upgraded(values)
        given = (values.kwargs or {}) if isinstance(values, ArgsKwargs) else values
        if isinstance(given, Mapping) and not cls.is_family():
            own = [field.name for field in dataclasses.fields(cls)]
            if unknown := [name for name in given if name not in own]:
                problems = {n: (given[n], cls._no_field(n, own)) for n in unknown}
                known = {name: value for name, value in given.items() if name in own}
                raise _errors(cls, problems, _problems_of(cls, known))
        return values

    @classmethod
    def _upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return stored fields as they are now, for families whose fields were others once."""
        return values

    @classmethod
    def _no_field(cls, name: str, own: list[str]) -> str:
        others = [
            other
            for other, entry in cls.entries.items()
            if name in (field.name for field in dataclasses.fields(entry))
        ]
        whose = f" ({', '.join(others)} {'do' if others[1:] else 'does'})" if others else ""
        return (
            f"{cls.family} {cls.name!r} does not use {name}; leave it out{whose}; the fields are "
            f"{', '.join(own)}"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if not cls.is_family():
            return core_schema.no_info_before_validator_function(cls._its_own, handler(source))
        dump = core_schema.plain_serializer_function_ser_schema(cls._dump, info_arg=True)
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=dump)

    @classmethod
    def _its_own(cls, value: Any) -> Any:
        """Refuse the settings of other entries, where a field takes those of this one alone."""
        name = value.get("name", cls.name) if isinstance(value, Mapping) else cls.name
        name = value.name if isinstance(value, Variant) else name
        if name != cls.name:
            raise ValueError(
                f"this {cls.family} is always {cls.name!r}, not {name!r}; set its name to that"
            )
        return value

    @classmethod
    def _chosen(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"expected the settings of one {cls.family}")
        return TypeAdapter(cls.entry(value.get("name"))).validate_python(dict(value))

    @classmethod
    def _dump(cls, value: Any, info: Any) -> dict[str, Any]:
        values = TypeAdapter(type(value)).dump_python(
            value, mode=info.mode, exclude_defaults=info.exclude_defaults
        )
        named = {} if value.name == next(iter(cls.entries)) else {"name": value.name}
        return {**named, **values}


def _carry_over(values: Mapping[str, Any], before: Any, after: Any) -> dict[str, Any]:
    """Return the fields of `after`, with what `values` set in the place of those of `before`."""
    found, defaults = _dumped(after), _dumped(before)
    for name in (set(found) & set(defaults) & set(values)) - {"name"}:
        value, old, new = values[name], getattr(before, name), getattr(after, name)
        if not (isinstance(value, Mapping) and isinstance(new, Variant)):
            if value != defaults[name]:
                found[name] = value
            continue
        chosen = value.get("name", old.name)
        if chosen == old.name:
            found[name] = _carry_over(value, old, new)
        elif _takes_any(after, name):
            found[name] = dict(value)
        else:
            found[name] = _carry_over(value, new.entry(chosen)(), new)
    return found


def _dumped(settings: Any) -> dict[str, Any]:
    values: dict[str, Any] = TypeAdapter(type(settings)).dump_python(settings)
    return values


def _takes_any(settings: Any, name: str) -> bool:
    """Whether a field takes all entries of a family."""
    hint = get_type_hints(type(settings))[name]
    return isinstance(hint, type) and issubclass(hint, Variant) and hint.is_family()


def _problems_of(cls: type, values: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Return what pydantic has against fields that are known."""
    try:
        TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        return [
            InitErrorDetails(
                type=PydanticCustomError("variant", "{text}", {"text": problem["msg"]}),
                loc=problem["loc"],
                input=problem["input"],
            )
            for problem in error.errors()
        ]
    return []


def _errors(
    cls: type, problems: Mapping[str, tuple[Any, str]], others: Sequence[InitErrorDetails] = ()
) -> ValidationError:
    """Return what pydantic raises, from (value, message) by field, and other problems."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError("variant", "{text}", {"text": text}), loc=(name,), input=value
        )
        for name, (value, text) in problems.items()
    ]
    return ValidationError.from_exception_data(cls.__name__, [*lines, *others])
