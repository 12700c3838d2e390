"""All cells of a study in one table, with links to their folders, for sorting and filtering."""

import html
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rtickets.report.cells import Cell, Exact, Head, Markup, html_table, with_interval
from rtickets.report.over_seeds import further_of, metrics_of
from rtickets.tasks import units

_LINKS = (
    ("ticket", "ticket", "ticket/ticket.json"),
    ("its config", "ticket", "config.json"),
    ("transfer config", "trained", "config.json"),
    ("transfer", "trained", "result.json"),
    ("trained weights", "trained", "ticket/ticket.json"),
    ("evaluation", "evaluation", "result.json"),
)  # what it is called, which folder of a cell, the file


def cell_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return a line a cell: place in the grid, measures with intervals, chosen rate, links.

    Measures that are one of many alike are left to the CSV.
    """
    measured = [{**metrics_of(cell), **further_of(cell)} for cell in cells]
    kinds = {
        metric: units.headed(found["title"], found["unit"])
        for each in measured
        for metric, found in each.items()
        if not found["detail"]
    }
    grid = ["transfer", "ticket", "remaining", "objective", "seed"]
    head = [Head(name, ("filter",)) for name in grid]
    head += [Head(name, ("measure",)) for name in kinds.values()]
    chose = any("chosen" in cell for cell in cells)
    head += [Head("learning rate", ("filter",))] if chose else []
    head += [Head("folders", ("plain",))]
    body = [
        [*_line(cell, found, kinds), *([_rate(cell)] if chose else []), Markup(_links(cell))]
        for cell, found in zip(cells, measured, strict=True)
    ]
    table = html_table(head, body)
    return table.replace('class="scroll"', 'class="scroll tall"', 1)


def _line(
    cell: Mapping[str, Any], measured: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str]
) -> list[Cell]:
    values: list[Cell] = [
        Exact(with_interval(measured[metric]), measured[metric]["value"])
        if metric in measured
        else ""
        for metric in kinds
    ]
    left = f"{100 * (1 - cell['sparsity']):g}%"
    return [
        *(cell["transfer"], cell["draw"], left, cell["objective"], str(cell["seed"])),
        *values,
    ]


def _rate(cell: Mapping[str, Any]) -> str:
    """Return the rate that was chosen on validation, with a mark at the end of its ladder."""
    if "chosen" not in cell:
        return ""
    return f"{cell['chosen']['learning_rate']:g}{'*' * bool(cell['chosen'].get('ladder_ends'))}"


def _links(cell: Mapping[str, Any]) -> str:
    """Return links to what every stage of a cell left, relative to the study's folder.

    The ticket is the one that was drawn; the transfer has the protocol, what was chosen on
    validation images, and the weights that were measured.
    """
    found = []
    for text, name, file in _LINKS:
        if name in cell:
            found.append((text, f"{cell[name]}/{file}"))
    return " ".join(link(f"../{quote(path)}", text) for text, path in found)


def link(where: str, text: str) -> str:
    """Return a link to a file near the page."""
    return f'<a href="{html.escape(where)}">{html.escape(text)}</a>'
