"""Reliability diagrams: how often a network is right against how sure it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtickets.report.style import COLORS, DENSE, panels_of, png

_COLUMNS = {"examples", "confidence", "accuracy"}
Bins = Sequence[Mapping[str, float]]


def reliability_tables(result: Mapping[str, Any]) -> dict[str, Bins]:
    """Return the tables of an evaluation that are bins of confidences, by name."""
    tables = result.get("tables", {})
    return {name: rows for name, rows in tables.items() if rows and set(rows[0]) >= _COLUMNS}


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


def own_diagrams(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the diagrams of an evaluation by name, PNG."""
    tables = reliability_tables(result)
    return {name: png(draw_reliability({name: {name: bins}})) for name, bins in tables.items()}


def study_diagrams(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the diagrams of the first seed's cells of a study, PNG by transfer and name.

    A panel a ticket, a curve an objective.
    """
    found: dict[str, dict[str, dict[str, Bins]]] = {}
    cells = result["cells"]
    for cell in cells:
        if cell["seed"] != cells[0]["seed"]:
            continue
        draw = cell["draw"]
        ticket = draw if draw == DENSE else f"{draw} {100 * (1 - cell['sparsity']):g}%"
        for name, bins in reliability_tables(cell).items():
            panels = found.setdefault(f"{cell['transfer']}: {name}", {})
            panels.setdefault(ticket, {})[cell["objective"]] = bins
    return {name: png(draw_reliability(panels)) for name, panels in found.items()}
