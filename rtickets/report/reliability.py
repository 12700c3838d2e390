"""Reliability diagrams: how often a network is right against how sure it is."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtickets.report.cells import Cell, html_table
from rtickets.report.charts import Chart, reliability_chart
from rtickets.report.document import figure
from rtickets.report.sections import Context, Section
from rtickets.report.style import COLORS, panels_of
from rtickets.stages.points import CLEAN, ticket_words

_COLUMNS = {"examples", "confidence", "accuracy"}
Bins = Sequence[Mapping[str, float]]


def reliability_tables(result: Mapping[str, Any]) -> dict[str, Bins]:
    """Return the tables of an evaluation that are bins of confidences, by name."""
    tables = result.get("tables", {})
    return {
        name: rows
        for name, rows in tables.items()
        if rows and all(set(row) >= _COLUMNS for row in rows)
    }


def draw_reliability(panels_by_title: Mapping[str, Mapping[str, Bins]]) -> Figure:
    """Draw accuracy over confidence, a panel a title and a curve a name.

    Points are as large as their bins are full; on the dashed line a network is as often right as it
    says.

    Args:
        panels_by_title: bins by name and title, see `rtickets.evaluation.measures.calibration`.
    """
    figure, panels = panels_of(list(panels_by_title))
    for title, curves in panels_by_title.items():
        panel = panels[title]
        panel.plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
        for color, (name, bins) in zip(COLORS * len(curves), curves.items(), strict=False):
            _curve(panel, bins, color, name)
        panel.set_aspect("equal")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        if len(curves) > 1:
            panel.legend(fontsize=8, frameon=False)
    figure.supxlabel("confidence", fontsize=10)
    figure.supylabel("accuracy", fontsize=10)
    return figure


def _curve(panel: Axes, bins: Bins, color: str, name: str) -> None:
    x, y = ([each[column] for each in bins] for column in ("confidence", "accuracy"))
    most = max(each["examples"] for each in bins)
    panel.plot(x, y, color=color, linewidth=1, label=name)
    panel.scatter(x, y, s=[6 + 60 * each["examples"] / most for each in bins], color=color)


def panels_of_study(
    cells: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], dict[str, dict[str, Bins]]]:
    """Return the bins of the first seed's cells by transfer and table, then ticket, then objective.

    A panel is a ticket, a curve in it an objective.
    """
    found: dict[tuple[str, str], dict[str, dict[str, Bins]]] = {}
    for cell in cells:
        if cell["seed"] != cells[0]["seed"]:
            continue
        ticket = ticket_words(cell["draw"], cell["sparsity"])
        for name, bins in reliability_tables(cell).items():
            panels = found.setdefault((cell["transfer"], name), {})
            panels.setdefault(ticket, {})[cell["objective"]] = bins
    return found


def reliability_sections(about: Context) -> list[Section]:
    """Return the diagrams of a study, a chart and a table a ticket, none without any."""
    parts = []
    for (transfer, name), panels in panels_of_study(about.result["cells"]).items():
        parts += [f"<h3>{html.escape(f'{transfer}: {name}')}</h3>", '<div class="panels">']
        for ticket, curves in panels.items():
            about.charts.append(reliability_chart(f"{transfer}, {name}, {ticket}", curves))
            parts += [f"<div><h4>{html.escape(ticket)}</h4>", figure(len(about.charts) - 1)]
            parts += [_folded(curves), "</div>"]
        parts.append("</div>")
    told = '<p class="note">Of the first seed: how often networks are right against how sure.</p>'
    return [Section("Reliability", about.facts(CLEAN), "\n".join([told, *parts]))] if parts else []


def reliability_parts(result: Mapping[str, Any], charts: list[Chart]) -> list[str]:
    """Return the diagrams of an evaluation as parts of its page, and append its charts."""
    parts = []
    for name, bins in reliability_tables(result).items():
        charts.append(reliability_chart(name, {"network": bins}))
        parts += [f"<h2>{html.escape(name)}</h2>", figure(len(charts) - 1)]
        parts.append(_folded({"network": bins}))
    return parts


def _folded(curves: Mapping[str, Bins]) -> str:
    body: list[list[Cell]] = [
        [
            name, f"{100 * each['confidence']:.1f}", f"{100 * each['accuracy']:.1f}",
            f"{each['examples']:,.0f}",
        ]
        for name, bins in curves.items()
        for each in bins
    ]  # fmt: skip
    table = html_table(["network", "confidence (%)", "accuracy (%)", "examples"], body)
    return f"<details><summary>as a table</summary>{table}</details>"
