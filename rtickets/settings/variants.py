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
from collections.abc import Mapping
from typing import Any, ClassVar

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
        """Return the class of a name, None being the first.

        Raises:
            ValidationError: for a name that the registry lacks; it is a ValueError.
        """
        if name is None:
            name = next(iter(cls.entries))
        if name not in cls.entries:
            known = ", ".join(map(repr, cls.entries))
            raise _errors(cls, {"name": (name, f"there is no such {cls.family}; choose {known}")})
        return cls.entries[name]

    @classmethod
    def as_another(cls, values: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return settings of one entry as those of another.

        Args:
            values: fields of the entry that they name.
            name: the other entry.

        Returns:
            The name, and of what the two have in common the fields that do not have the first one's
            default; the rest belongs to the first alone.
        """
        defaults, fields = cls.entry(values.get("name"))(), dataclasses.fields(cls.entry(name))
        both = {field.name for field in fields} & set(values) - {"name"}
        kept = {key: values[key] for key in both if values[key] != getattr(defaults, key, None)}
        return {"name": name, **kept}

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
                raise _errors(cls, {n: (given[n], cls._no_field(n, own)) for n in unknown})
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
            return handler(source)
        dump = core_schema.plain_serializer_function_ser_schema(cls._dump, info_arg=True)
        return core_schema.no_info_plain_validator_function(cls._chosen, serialization=dump)

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


def _errors(cls: type, problems: Mapping[str, tuple[Any, str]]) -> ValidationError:
    """Return what pydantic raises, from (value, message) by field."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError("variant", "{text}", {"text": text}), loc=(name,), input=value
        )
        for name, (value, text) in problems.items()
    ]
    return ValidationError.from_exception_data(cls.__name__, lines)
