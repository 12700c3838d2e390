"""Kinds of fields that settings share."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ep|it)$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sparsity = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

STRICT = ConfigDict(extra="forbid")


class OneOf:
    """Marks a field that holds a name of a registry, as the registry is when it is read."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.entries = entries

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, name: str) -> str:
        if name not in self.entries:
            raise ValueError(f"unknown; choose {', '.join(map(repr, self.entries))}")
        return name


def is_never(duration: str) -> bool:
    """Return whether a duration is none at all, such as '0ep'."""
    return to_steps(duration, 1) == 0


def to_steps(duration: str, steps_per_epoch: int) -> int:
    """Return the number of training steps of a duration such as '160ep' or '500it'."""
    count, unit = int(duration[:-2]), duration[-2:]
    return count * steps_per_epoch if unit == "ep" else count
