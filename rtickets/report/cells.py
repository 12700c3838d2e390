"""Cells of tables, as HTML and as text: values by their units, intervals, what is markup."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rtickets.tasks import units


class Markup(NamedTuple):
    """What is HTML already, in a cell of a table."""

    html: str


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
    if row["gain_low"] is None:
        return text
    low, high = (units.shown(row[f"gain_{end}"], unit, sign=True) for end in ("low", "high"))
    return f"{text} [{low}, {high}]"


def direction(found: Mapping[str, Any]) -> str:
    """Say which way a measure is better, '' where there is none."""
    return {True: "higher is better", False: "lower is better"}.get(found["higher_is_better"], "")


def html_table(head: Sequence[str], body: Sequence[Sequence[str | Markup]]) -> str:
    """Return a table; what is not markup of ours is text."""
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{_markup(cell)}</td>" for cell in row) for row in body]
    rows = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table>\n{rows}\n</table></div>'


def _markup(cell: str | Markup) -> str:
    return cell.html if isinstance(cell, Markup) else html.escape(cell)
