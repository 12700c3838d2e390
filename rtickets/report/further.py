"""Measures beside the headline, in a study's page: a table each, with gains as those of that."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import direction
from rtickets.report.facts import facts_list
from rtickets.report.gain_table import gain_table
from rtickets.report.sections import Context, Section
from rtickets.stages.comparison import family_lines
from rtickets.tasks import units

Row = Mapping[str, Any]
_OWN = ("examples", "threat", "how")  # facts that measures do not share


def further_section(about: Context, table: Sequence[Row]) -> Section:
    """Return a section with a part a measure.

    Args:
        about: the study.
        table: what `rtickets.report.over_seeds.rows` made of `further_of`; those that are one of
            many alike are left to the CSV.
    """
    rows = [row for row in table if not row["detail"]]
    parts = [
        _part(about, [row for row in rows if row["metric"] == metric])
        for metric in dict.fromkeys(row["metric"] for row in rows)
    ]
    return Section("Further measures", about.shared_facts(), "\n".join(parts))


def _part(about: Context, rows: Sequence[Row]) -> str:
    own = [each for each in about.facts(rows[0]["metric"]) if each[0] in _OWN]
    told = [f'<p class="note">{html.escape(line)}.</p>' for line in family_lines(rows)]
    heading = f"<h3>{html.escape(_heading(rows[0]))}</h3>"
    table = gain_table(rows, about.config["baseline"])
    return "\n".join([heading, facts_list(own), *told, table])


def _heading(row: Row) -> str:
    better = direction(row)
    return units.headed(row["title"], row["unit"]) + (f", {better}" if better else "")
