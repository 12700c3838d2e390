"""Kinds of fields that settings share."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ep|it)$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sparsity = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

STRICT = ConfigDict(extra="forbid")


def to_steps(duration: str, steps_per_epoch: int) -> int:
    """Return the number of training steps of a duration such as '160ep' or '500it'."""
    count, unit = int(duration[:-2]), duration[-2:]
    return count * steps_per_epoch if unit == "ep" else count
