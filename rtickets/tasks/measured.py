"""Numbers with what is known of them, and what is known of the main one before it is measured."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from rtickets.errors import NothingCountedError
from rtickets.tasks import units


class Measured(NamedTuple):
    """A number and how sure it is.

    Attributes:
        value: the number.
        low: lower end of its 95% interval over examples.
        high: upper end.
        unit: 'share' for one of a whole, printed in percent; else the name of a unit, or ''.
        higher_is_better: its direction; None for what has none, as a temperature.
        detail: one of many alike, as a class: for tables of single evaluations, not for overviews.
        examples: how many it is of, where that is not all of the split.
    """

    value: float
    low: float
    high: float
    unit: str = ""
    higher_is_better: bool | None = True
    detail: bool = False
    examples: int | None = None


class Headline(NamedTuple):
    """What is known of a task's main measure before anything is measured.

    Attributes:
        name: its name among the measures.
        unit: see `Measured`.
        higher_is_better: its direction.
        words: what it is called in text; '' is its name.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True
    words: str = ""

    @property
    def called(self) -> str:
        """What it is called in text."""
        return self.words or self.name

    def score(self, value: float) -> float:
        """Return a value so that the larger is the better."""
        return value if self.higher_is_better else -value

    def say(self, value: float) -> str:
        """Return a value as a person reads it."""
        return units.said(value, self.unit)


class Measures(Protocol):
    """What makes measures of sums, as a task."""

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return them by name, see `rtickets.tasks.base.Task`."""
        ...


def measured_if_any(task: Measures, sums: Mapping[str, Any]) -> dict[str, Measured]:
    """Return the measures of some examples, {} where nothing in them counts."""
    try:
        return task.measures(sums)
    except NothingCountedError:
        return {}
