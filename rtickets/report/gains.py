"""Gains over the baseline, as files and in the page."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import Markup, gain_text, over_fewer
from rtickets.stages.comparison import GAIN_FIELDS, family_lines, is_clear, is_clear_with_others
from rtickets.stages.points import Point

MEANING = (
    "A gain is the difference to {baseline} of the same seed, which shares data order, head and "
    "few-shot images; in brackets its 95% interval, over what the line says. A gain is coloured "
    "where the interval does not hold 0, and bold where it is clear also when adjusted for all "
    "gains of the metric in this study (Holm)."
)


def gains_csv(table: Sequence[Mapping[str, Any]]) -> str:
    """Return the gains of a table, see `rtickets.report.over_seeds.rows`, a line each."""
    buffer = io.StringIO()
    columns = (*Point._fields, *GAIN_FIELDS, "unit", "higher_is_better")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in table:
        if row["gain"] is not None:
            writer.writerow(["" if row[name] is None else row[name] for name in columns])
    return buffer.getvalue()


def gain_cell(row: Mapping[str, Any]) -> Markup:
    """Return a gain as a cell: coloured where it is clear, bold where it is so after Holm."""
    text = html.escape(gain_text(row) + over_fewer(row, "gain_seeds"))
    if not is_clear(row) or row["higher_is_better"] is None:
        return Markup(f"<span>{text}</span>")
    kind = "gain" if (row["gain"] > 0) == row["higher_is_better"] else "loss"
    shown = f"<b>{text}</b>" if is_clear_with_others(row) else text
    return Markup(f'<span class="{kind}">{shown}</span>')


def explained(table: Sequence[Mapping[str, Any]], baseline: str) -> list[str]:
    """Return what the gains of a table are, as a paragraph, none where there are not any."""
    told = [MEANING.format(baseline=baseline)] if family_lines(table) else []
    return [f'<p class="note">{html.escape(line)}</p>' for line in told]
