"""Measures over the radius, under an attack and certified."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtickets.report.over_seeds import Spread, spread
from rtickets.report.style import COLORS, MARKERS, label_y, panels_of
from rtickets.stages.points import DENSE, ticket_words
from rtickets.stages.results import headline_of
from rtickets.tasks import Headline, units

CERTIFIED = "certified"


class Line(NamedTuple):
    """What tells one curve over the radius from another, seeds aside."""

    transfer: str
    objective: str
    draw: str
    sparsity: float


def radius_curves(
    cells: Iterable[Mapping[str, Any]],
) -> dict[str, dict[Line, dict[float, Spread]]]:
    """Collect the values of all cells of a study that were measured at more than one radius.

    Returns:
        By attack, or 'certified', by line and by radius in pixel units, the spread over seeds.
    """
    values: dict[str, dict[Line, dict[float, list[float]]]] = {}
    for cell in cells:
        line = Line(*(cell[name] for name in Line._fields))
        curves = {
            label: [(point["eps"], point["value"]) for point in attack.get("curve", ())]
            for label, attack in cell["attacks"].items()
        }
        certified = cell.get("certified", {"curve": ()})["curve"]
        curves[CERTIFIED] = [(point["radius"], point["value"]) for point in certified]
        for label, points in curves.items():
            for radius, value in points if len(points) > 1 else ():
                by_radius = values.setdefault(label, {}).setdefault(line, {})
                by_radius.setdefault(radius, []).append(value)
    return {
        label: {
            line: {radius: spread(found) for radius, found in sorted(by_radius.items())}
            for line, by_radius in lines.items()
        }
        for label, lines in values.items()
    }


def headlines_of(cells: Iterable[Mapping[str, Any]]) -> dict[str, Headline]:
    """Return what a study's values are of, by transfer."""
    return {cell["transfer"]: headline_of(cell) for cell in cells}


def draw_radii(
    lines: Mapping[Line, Mapping[float, Spread]], label: str, headlines: Mapping[str, Headline]
) -> Figure:
    """Draw one panel per transfer: every objective's dense network and its sparsest tickets.

    Args:
        lines: one attack's part of what `radius_curves` returned.
        label: the attack's label, or 'certified'.
        headlines: what is measured, by transfer.
    """
    transfers = list(dict.fromkeys(line.transfer for line in lines))
    figure, panels = panels_of(transfers)
    for transfer, panel in panels.items():
        own = {line: lines[line] for line in lines if line.transfer == transfer}
        _plot_panel(panel, own, headlines[transfer].unit)
    label_y(figure, panels, {each: _title(headlines[each], label) for each in transfers})
    figure.supxlabel("radius (pixels in [0, 1])", fontsize=10)
    panels[transfers[0]].legend(fontsize=8, frameon=False)
    return figure


def _title(headline: Headline, label: str) -> str:
    called = headline.called
    named = f"certified {called}" if label == CERTIFIED else f"{called} under {label}"
    return units.headed(named, headline.unit)


def _plot_panel(panel: Axes, lines: Mapping[Line, Mapping[float, Spread]], unit: str) -> None:
    objectives = list(dict.fromkeys(line.objective for line in lines))
    draws = list(dict.fromkeys(line.draw for line in lines if line.draw != DENSE))
    for line in shown_lines(list(lines)):
        dense = line.draw == DENSE
        points = lines[line]
        panel.errorbar(
            list(points),
            [units.scaled(point.mean, unit) for point in points.values()],
            yerr=[
                units.scaled(point.std, unit) if point.seeds > 1 else 0 for point in points.values()
            ],
            color=COLORS[objectives.index(line.objective) % len(COLORS)],
            linestyle="--" if dense else "-",
            marker=None if dense else MARKERS[draws.index(line.draw) % len(MARKERS)],
            markersize=4,
            capsize=2,
            label=f"{line.objective}, {ticket_words(line.draw, line.sparsity)}",
        )
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def shown_lines(lines: Sequence[Line]) -> list[Line]:
    """Return the dense lines and each way of drawing's sparsest one; more would hide each other."""
    sparsest: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = line.objective, line.draw
        if key not in sparsest or line.sparsity > sparsest[key].sparsity:
            sparsest[key] = line
    return list(sparsest.values())
