"""Loss surfaces: the loss on a plane through the weights of a network, as maps."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rtickets.report.document import picture
from rtickets.report.sections import Context, Section
from rtickets.report.style import panels_of, png
from rtickets.stages.points import CLEAN, ticket_words

_COLUMNS = {"first", "second", "loss"}
_TITLES = {"loss": "clean", "adversarial_loss": "under attack"}
_LEVELS = 12  # of the contours
Points = Sequence[Mapping[str, float]]


def surface_tables(result: Mapping[str, Any]) -> dict[str, Points]:
    """Return the tables of an evaluation that are losses on a plane, by name."""
    return {
        name: rows
        for name, rows in result.get("tables", {}).items()
        if rows and set(rows[0]) >= _COLUMNS
    }


def draw_surfaces(maps: Mapping[str, Points]) -> Figure:
    """Draw losses on planes, a panel a title and kind of loss; a cross is the network.

    Colours are logarithmic and shared by all panels of a kind.

    Args:
        maps: points by title, see `rtickets.evaluation.measures.surface`.
    """
    kinds = [kind for kind in _TITLES if all(kind in rows[0] for rows in maps.values())]
    named = {
        (title, kind): f"{title}, {_TITLES[kind]}" if title else _TITLES[kind]
        for title in maps
        for kind in kinds
    }
    figure, panels = panels_of(list(named.values()))
    for kind in kinds:
        grids = {title: _grid(rows, kind) for title, rows in maps.items()}
        levels = _levels([values for _, values in grids.values()])
        for title, (at, values) in grids.items():
            panel = panels[named[title, kind]]
            drawn = panel.contourf(at, at, np.log10(values.T), levels=levels, cmap="magma_r")
            panel.plot(0, 0, "+", color="#2a7f9e", markersize=9)
            panel.set_aspect("equal")
            bar = figure.colorbar(drawn, ax=panel)
            ticks = levels[:: _LEVELS // 4]
            bar.set_ticks(ticks.tolist(), labels=[f"{10**tick:.3g}" for tick in ticks])
    figure.supxlabel("first direction, in lengths of the filters", fontsize=10)
    figure.supylabel("second direction", fontsize=10)
    return figure


def _grid(rows: Points, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates, rising, and the losses, both above 0, by first and second."""
    at = np.unique([row["first"] for row in rows])
    values = {(row["first"], row["second"]): row[kind] for row in rows}
    losses = np.array([[values[a, b] for b in at] for a in at])
    return at, np.maximum(losses, 1e-6)


def _levels(losses: Sequence[np.ndarray]) -> np.ndarray:
    logs = np.log10(np.concatenate([each.ravel() for each in losses]))
    low, high = float(logs.min()), float(logs.max())
    return np.linspace(low, max(high, low + 1e-3), _LEVELS + 1)


def surfaces_of_study(cells: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Figure]:
    """Return the maps of the first seed's cells by transfer and table."""
    found: dict[tuple[str, str], dict[str, Points]] = {}
    for cell in cells:
        if cell["seed"] == cells[0]["seed"]:
            title = f"{cell['objective']}, {ticket_words(cell['draw'], cell['sparsity'])}"
            for name, rows in surface_tables(cell).items():
                found.setdefault((cell["transfer"], name), {})[title] = rows
    return {key: draw_surfaces(maps) for key, maps in found.items()}


def surface_sections(about: Context) -> list[Section]:
    """Return the maps of a study, none without any."""
    parts = []
    for (transfer, name), drawn in surfaces_of_study(about.result["cells"]).items():
        title = f"{transfer}: {name}"
        parts.append(f"<h3>{html.escape(title)}</h3>{picture(title, png(drawn))}")
    told = '<p class="note">Of the first seed: the loss around trained networks.</p>'
    return [Section("Loss surfaces", about.facts(CLEAN), told + "".join(parts))] if parts else []


def surface_parts(result: Mapping[str, Any]) -> list[str]:
    """Return the maps of an evaluation as parts of its page."""
    return [
        f"<h2>{html.escape(name)}</h2>{picture(name, png(draw_surfaces({'': rows})))}"
        for name, rows in surface_tables(result).items()
    ]
