"""What networks can do against the multiply-adds that they take: all pipelines on one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from rtickets.report.charts import Chart
from rtickets.report.pipeline_tables import called, measured, titled
from rtickets.report.style import COLORS, MARKERS, panels_of
from rtickets.restoration.tables import Cells, grouped
from rtickets.tasks import units


def trade_off_points(cells: Cells) -> dict[str, list[dict[str, Any]]]:
    """Return the points of every pipeline, from few multiply-adds to many, as charts have them.

    Args:
        cells: of one task and target.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for (pipeline, sparsity), some in grouped(measured(cells), "pipeline", "sparsity").items():
        unit = some[0]["unit"]
        values = np.array([cell["value"] for cell in some], float)
        mean, deviation = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
        adds = float(np.mean([cell["multiply_adds"]["sparse"] for cell in some]))
        low, y, high = (units.scaled(mean + sign * deviation, unit) for sign in (-1, 0, 1))
        seeds = f"{len(some)} seed{'s' * (len(some) != 1)}"
        text = [called(pipeline, sparsity), f"{adds:,.0f} multiply-adds"]
        text.append(f"{units.said(float(mean), unit)}, {seeds}")
        point = {"x": adds, "y": float(y), "low": float(low), "high": float(high), "text": text}
        found.setdefault(pipeline, []).append(point)
    return {name: sorted(points, key=lambda p: p["x"]) for name, points in found.items()}


def trade_off_chart(place: tuple[Any, ...], cells: Cells) -> Chart:
    """Return the chart of a task and target, a series a pipeline."""
    own = measured(cells)
    series = [
        {"name": name, "color": number, "shape": number, "flat": False, "points": points}
        for number, (name, points) in enumerate(trade_off_points(own).items())
    ]
    return {
        "title": titled(*place),
        "x": {"label": "multiply-adds an example", "log": True},
        "y": {"label": units.headed(own[0]["measure"], own[0]["unit"])},
        "series": series,
    }


def draw_trade_off(cells: Cells) -> Figure:
    """Draw all pipelines of all tasks, a panel for each task and target."""
    groups = {
        titled(*place): some for place, some in grouped(measured(cells), "task", "target").items()
    }
    figure, panels = panels_of(list(groups))
    names = list(dict.fromkeys(cell["pipeline"] for some in groups.values() for cell in some))
    for title, panel in panels.items():
        _plot(panel, groups[title], names)
    lines = {line.get_label(): line for panel in panels.values() for line in panel.get_lines()}
    figure.legend(
        [lines[name] for name in names], names, loc="outside right upper", fontsize=7, frameon=False
    )
    figure.supxlabel("multiply-adds an example", fontsize=10)
    return figure


def _plot(panel: Axes, cells: Cells, names: Sequence[str]) -> None:
    for name, points in trade_off_points(cells).items():
        number = names.index(name)
        x, y, low, high = ([p[key] for p in points] for key in ("x", "y", "low", "high"))
        color = COLORS[number % len(COLORS)]
        panel.plot(
            x, y, color=color, marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1,
            linestyle=("-", "--", ":")[number // len(COLORS) % 3], label=name,
        )  # fmt: skip
        panel.vlines(x, low, high, color=color, linewidth=0.8)
    panel.set_xscale("log")
    # Words, as pictures parse no formulas; of the ends of a decade alone there would be few.
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_ylabel(units.headed(cells[0]["measure"], cells[0]["unit"]), fontsize=9)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
