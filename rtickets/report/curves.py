"""Measures against remaining weights, as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from rtickets.report.style import COLORS, MARKERS, label_y, panels_of
from rtickets.stages.points import DENSE
from rtickets.tasks.units import headed, scaled


def draw_curves(table: Sequence[Mapping[str, Any]], metric: str, split: str = "test") -> Figure:
    """Draw one panel per transfer: a curve per objective and way of drawing, and dense lines.

    Args:
        table: what `rows` returned.
        metric: 'clean', an attack's label, or another measure's name.
        split: what was measured on, for the axis.
    """
    rows = [row for row in table if row["metric"] == metric]
    transfers = list(dict.fromkeys(row["transfer"] for row in rows))
    figure, panels = panels_of(transfers)
    for transfer, panel in panels.items():
        _plot_panel(panel, [row for row in rows if row["transfer"] == transfer])
    labels = {row["transfer"]: headed(f"{split} {row['title']}", row["unit"]) for row in rows}
    label_y(figure, panels, labels)
    figure.supxlabel("remaining weights (%)", fontsize=10)
    panels[transfers[0]].legend(fontsize=8, frameon=False)
    return figure


def _plot_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    draws = [d for d in dict.fromkeys(row["draw"] for row in rows) if d != DENSE]
    for color, objective in zip(COLORS * len(objectives), objectives, strict=False):
        own = [row for row in rows if row["objective"] == objective]
        for row in own:
            if row["draw"] == DENSE:
                panel.axhline(
                    scaled(row["mean"], row["unit"]), color=color, linestyle="--", linewidth=1
                )
        for marker, draw in zip(MARKERS * len(draws), draws, strict=False):
            points = sorted(
                (row for row in own if row["draw"] == draw), key=lambda row: row["remaining"]
            )
            panel.errorbar(
                [100 * row["remaining"] for row in points],
                [scaled(row["mean"], row["unit"]) for row in points],
                yerr=[scaled(row["std"] or 0, row["unit"]) for row in points],
                color=color,
                marker=marker,
                markersize=4,
                capsize=2,
                linewidth=1.5,
                label=objective if len(draws) == 1 else f"{objective}, {draw}",
            )
    # Labels at the rungs themselves, not at powers of ten, of which there may be none.
    panel.set_xscale("log")
    ticks = sorted({100 * row["remaining"] for row in rows if row["draw"] != DENSE})
    panel.set_xticks(_apart(ticks), minor=False)
    panel.set_xticks([], minor=True)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _apart(ticks: Sequence[float], factor: float = 1.4) -> list[float]:
    """Return the ticks that are far enough apart on a logarithmic axis to be labelled."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick >= factor * kept[-1]:
            kept.append(tick)
    return kept
