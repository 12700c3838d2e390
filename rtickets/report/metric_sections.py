"""Sections of a page with charts: a metric over remaining weights, and over the radius."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import html_table, number, over_fewer
from rtickets.report.charts import curve_chart, radius_chart
from rtickets.report.chosen import chosen_tables
from rtickets.report.document import figure
from rtickets.report.gain_table import gain_table
from rtickets.report.over_seeds import CLEAN, moves_of
from rtickets.report.radii import Line, headlines_of, radius_curves
from rtickets.report.sections import Context, Section
from rtickets.stages.comparison import family_lines
from rtickets.stages.points import Spread

Row = Mapping[str, Any]
_MOST_BESIDE = 3  # objectives of a table that has a neighbour


def metric_sections(about: Context, table: Sequence[Row]) -> list[Section]:
    """Return a section a metric, with a chart and a table a transfer.

    Args:
        about: the study.
        table: what `rows` returned.
    """
    few = len({row["objective"] for row in table}) <= _MOST_BESIDE
    sections = []
    for metric in dict.fromkeys(row["metric"] for row in table):
        rows = [row for row in table if row["metric"] == metric]
        panels = [
            _panel(about, [row for row in rows if row["transfer"] == transfer])
            for transfer in dict.fromkeys(row["transfer"] for row in rows)
        ]
        told = "".join(f'<p class="note">{html.escape(line)}.</p>' for line in family_lines(rows))
        body = f'{told}<div class="panels{"" if few else " wide"}">\n{"".join(panels)}</div>'
        sections.append(Section(_heading(rows, metric), about.facts(metric), body))
    return sections


def _panel(about: Context, rows: Sequence[Row]) -> str:
    """Return chart and table of a metric and transfer."""
    transfer = rows[0]["transfer"]
    moved = moves_of(about.config, transfer)
    about.charts.append(curve_chart(rows, about.config["evaluate"]["split"]))
    parts = [
        f"<div>\n<h3>{html.escape(transfer)}</h3>",
        f'<p class="note">Moves {html.escape(moved)}.</p>' if moved else "",
        figure(len(about.charts) - 1),
        gain_table(rows, about.config["baseline"]),
        *(chosen_tables(about.result["cells"], transfer) if rows[0]["metric"] == CLEAN else ()),
        "</div>\n",
    ]
    return "\n".join(parts)


def radius_sections(about: Context) -> list[Section]:
    """Return a section for every attack and certificate of more than one radius."""
    headlines, sections = headlines_of(about.result["cells"]), []
    for label, lines in radius_curves(about.result["cells"]).items():
        panels = []
        for transfer in dict.fromkeys(line.transfer for line in lines):
            own = {line: lines[line] for line in lines if line.transfer == transfer}
            about.charts.append(radius_chart(own, label, headlines[transfer]))
            panels += [f"<div><h3>{html.escape(transfer)}</h3>", figure(len(about.charts) - 1)]
            panels += [
                _radius_table(own, headlines[transfer].unit, len(about.config["seeds"])),
                "</div>",
            ]
        body = f'<div class="panels">{"".join(panels)}</div>'
        sections.append(Section(f"Over the radius: {label}", about.facts(label), body))
    return sections


def _radius_table(lines: Mapping[Line, Mapping[float, Spread]], unit: str, seeds_asked: int) -> str:
    """Return what is drawn over the radius: a column a radius."""
    radii = sorted({radius for curve in lines.values() for radius in curve})
    body = [
        [
            line.draw, f"{100 * (1 - line.sparsity):g}", line.objective,
            *(_mean(curve[r], unit, seeds_asked) if r in curve else "" for r in radii),
        ]
        for line, curve in lines.items()
    ]  # fmt: skip
    return html_table(["ticket", "remaining", "objective", *(f"{r:.4g}" for r in radii)], body)


def _mean(spread: Spread, unit: str, seeds_asked: int) -> str:
    fewer = over_fewer({"seeds": spread.seeds, "seeds_asked": seeds_asked})
    return number(spread.mean, None, unit) + fewer


def _heading(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Return what the values of a metric are called, of all transfers."""
    titles = " and ".join(dict.fromkeys(row["title"] for row in rows if row["metric"] == metric))
    return f"Clean {titles}" if metric == CLEAN else f"{titles[:1].upper()}{titles[1:]}"
