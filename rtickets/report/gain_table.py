"""The table of a comparison: a line a ticket, values of objectives, gains over the baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import Cell, html_table, number, over_fewer
from rtickets.report.gains import gain_cell

Row = Mapping[str, Any]


def gain_table(rows: Sequence[Row], baseline: str) -> str:
    """Return the table of one metric, with a column for the transfer where there are several.

    Args:
        rows: what `rtickets.report.over_seeds.rows` returned, of one metric.
        baseline: the objective that gains are over.
    """
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    others = [objective for objective in objectives if objective != baseline]
    several = len({row["transfer"] for row in rows}) > 1
    head = ["transfer"] * several + ["ticket", "remaining"]
    head += [*objectives, *(f"gain of {other}" for other in others)]
    found = {(*_place(row), row["objective"]): row for row in rows}
    body = []
    for place in dict.fromkeys(map(_place, rows)):
        transfer, draw, sparsity = place
        cells: list[Cell] = [transfer] if several else []
        cells += [draw, f"{100 * (1 - sparsity):g}"]
        for objective in objectives:
            row = found.get((*place, objective))
            cells.append(_value(row) if row else "")
        for other in others:
            row = found.get((*place, other))
            cells.append(gain_cell(row) if row and row["gain"] is not None else "")
        body.append(cells)
    return html_table(head, body)


def _place(row: Row) -> tuple[str, str, float]:
    return row["transfer"], row["draw"], row["sparsity"]


def _value(row: Row) -> str:
    return number(row["mean"], row["std"], row["unit"]) + over_fewer(row)
