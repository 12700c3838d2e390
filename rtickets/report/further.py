"""Measures beside the headline, in a study's page: a column each, a line a ticket and objective."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import direction, html_table, number
from rtickets.tasks import units


def further_measures(table: Sequence[Mapping[str, Any]]) -> str:
    """Return a table a transfer, '' where there are no further measures.

    Args:
        table: what `rtickets.report.over_seeds.rows` made of `further_of`; those that are one of
            many alike are left to the CSV.
    """
    rows = [row for row in table if not row["detail"]]
    parts = []
    for transfer in dict.fromkeys(row["transfer"] for row in rows):
        own = [row for row in rows if row["transfer"] == transfer]
        parts += [f"<h3>{html.escape(transfer)}</h3>", _table(own)]
    return "\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = {row["metric"]: _heading(row) for row in rows}
    lines: dict[tuple[str, float, str], dict[str, str]] = {}
    for row in rows:
        line = lines.setdefault((row["draw"], row["sparsity"], row["objective"]), {})
        line[row["metric"]] = number(row["mean"], row["std"], row["unit"])
    body = [
        [draw, f"{100 * (1 - sparsity):g}", objective, *(line.get(name, "") for name in names)]
        for (draw, sparsity, objective), line in lines.items()
    ]
    return html_table(["ticket", "remaining", "objective", *names.values()], body)


def _heading(row: Mapping[str, Any]) -> str:
    better = direction(row)
    return units.headed(row["title"], row["unit"]) + (f", {better}" if better else "")
