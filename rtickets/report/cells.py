"""Cells of tables, as HTML and as text: values by their units, intervals, what is markup."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rtickets.tasks import units


class Markup(NamedTuple):
    """What is HTML already, in a cell of a table."""

    html: str


class Words(NamedTuple):
    """A sentence in a cell, which may take several lines."""

    text: str


class Exact(NamedTuple):
    """A value in a cell with all its digits beside what is shown, by which the table is sorted."""

    text: str
    value: float


class Head(NamedTuple):
    """A heading of a table.

    Attributes:
        text: what it says.
        kinds: what the script of a page may do: 'filter' by the values of the column, switch a
            'measure' off, or leave a 'plain' column unsorted.
    """

    text: str
    kinds: tuple[str, ...] = ()


Cell = str | Markup | Words | Exact


def number(
    mean: float | None, std: float | None = None, unit: str = "", *, sign: bool = False
) -> str:
    """Return a value, or a difference of two, with its deviation but without its unit."""
    if mean is None:
        return ""
    text = units.shown(mean, unit, sign=sign)
    return text if std is None else f"{text} ± {units.shown(std, unit)}"


def with_interval(found: Mapping[str, Any] | None) -> str:
    """Return a value and its interval without the unit, '' for none."""
    if found is None:
        return ""
    value, low, high = (units.shown(found[k], found["unit"]) for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def gain_text(row: Mapping[str, Any]) -> str:
    """Return the gain of a row of a study's table with its interval, without the unit."""
    unit = row["unit"]
    text = number(row["gain"], None, unit, sign=True)
    if row["gain_low"] is None or row["gain_high"] is None:
        return text
    low, high = (units.shown(row[f"gain_{end}"], unit, sign=True) for end in ("low", "high"))
    return f"{text} [{low}, {high}]"


def over_fewer(row: Mapping[str, Any], count: str = "seeds") -> str:
    """Say over how many seeds a value of a table is where some are missing, '' where none is.

    Args:
        row: of `rtickets.report.over_seeds.rows`.
        count: 'seeds' of its mean, or 'gain_seeds', which both branches have.
    """
    own, asked = row[count], row["seeds_asked"]
    return f" ({own} of {asked} seeds)" if own < asked else ""


def direction(found: Mapping[str, Any]) -> str:
    """Say which way a measure is better, '' where there is none."""
    return {True: "higher is better", False: "lower is better"}.get(found["higher_is_better"], "")


def html_table(head: Sequence[Head | str], body: Sequence[Sequence[Cell]]) -> str:
    """Return a table; what is not markup of ours is text."""
    heads = [each if isinstance(each, Head) else Head(each) for each in head]
    top = "".join(
        f'<th scope="col"{_data(dict.fromkeys(each.kinds, ""))}>{html.escape(each.text)}</th>'
        for each in heads
    )
    lines = ["".join(map(_cell, row)) for row in body]
    rows = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}\n</tbody>'
        "\n</table></div>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, Markup):
        return f"<td>{cell.html}</td>"
    if isinstance(cell, Words):
        return f'<td class="words">{html.escape(cell.text)}</td>'
    if isinstance(cell, Exact):
        return f"<td{_data({'v': repr(cell.value)})}>{html.escape(cell.text)}</td>"
    return f"<td>{html.escape(cell)}</td>"


def _data(values: Mapping[str, str]) -> str:
    return "".join(f' data-{name}="{html.escape(value)}"' for name, value in values.items())
