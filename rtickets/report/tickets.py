"""The tickets of a study: where they are sparse, how alike they are, what they see."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets import masks
from rtickets.errors import printable
from rtickets.masks import Mask
from rtickets.report.cells import html_table
from rtickets.report.charts import layers_chart
from rtickets.report.document import figure, picture
from rtickets.report.kernel_pictures import has_kernels, plot_zero_kernels
from rtickets.report.sections import Context, Section
from rtickets.report.ticket_pictures import first_convolution, plot_kernels
from rtickets.tickets.inspect import layers
from rtickets.tickets.ticket import Ticket

Tickets = dict[tuple[str, str], Ticket]


def study_tickets(workdir: Path, cells: Sequence[Mapping[str, Any]]) -> Tickets:
    """Load the sparsest tickets of a study's first seed, those that are still there.

    Args:
        workdir: where the run folders lie.
        cells: the study's, with the name of each ticket's folder.

    Returns:
        Tickets by (objective, way of drawing), all of the largest sparsity that every way has, or
        of each way's own largest where there is none.
    """
    if not cells:  # all failed
        return {}
    first = [c for c in cells if c["seed"] == cells[0]["seed"] and c["sparsity"] > 0]
    ladders = {c["draw"]: {d["sparsity"] for d in first if d["draw"] == c["draw"]} for c in first}
    # At one sparsity overlaps can be compared; ways of drawing may have no rung in common.
    shared = set.intersection(*ladders.values()) if ladders else set()
    chosen = {draw: max(shared or own) for draw, own in ladders.items()}
    found = {}
    for cell in first:
        folder = workdir / cell["ticket"] / "ticket"
        if cell["sparsity"] == chosen[cell["draw"]] and folder.is_dir():
            found[cell["objective"], cell["draw"]] = Ticket.load(folder)
    return found


def ticket_sections(about: Context, tickets: Tickets) -> list[Section]:
    """Return what tickets look like: sparsity per layer, overlap of every two, first kernels."""
    if not tickets:
        return []
    named = {printable(" ".join(label)): ticket for label, ticket in tickets.items()}
    parts = [
        '<p class="note">Of the first seed, the sparsest tickets, as they were drawn.</p>',
        '<div class="panels">',
        _sparsities(about, {label: ticket.mask for label, ticket in named.items()}),
        *_overlaps({label: ticket.mask for label, ticket in named.items()}),
    ]
    for label, ticket in named.items():
        if first_convolution(ticket):
            heading = f"First kernels: {label}"
            shown = picture(heading, plot_kernels(ticket))
            parts.append(f"<div><h3>{html.escape(heading)}</h3>{shown}</div>")
        if has_kernels(ticket):
            heading = f"Zero kernels: {label}"
            shown = picture(heading, plot_zero_kernels(ticket))
            parts.append(f"<div><h3>{html.escape(heading)}</h3>{shown}</div>")
    return [Section("Tickets", about.shared_facts(), "\n".join([*parts, "</div>"]))]


def _sparsities(about: Context, masks_of: Mapping[str, Mask]) -> str:
    found = {
        label: {printable(row["path"]): row["sparsity"] for row in layers(mask)}
        for label, mask in masks_of.items()
    }
    paths = list(dict.fromkeys(path for own in found.values() for path in own))
    about.charts.append(layers_chart(found, paths))
    body = [
        [path, *(f"{100 * own[path]:.1f}" if path in own else "" for own in found.values())]
        for path in paths
    ]
    table = html_table(["layer", *(f"{label} (%)" for label in found)], body)
    folded = f"<details><summary>as a table</summary>{table}</details>"
    return f"<div><h3>Sparsity per layer</h3>{figure(len(about.charts) - 1)}{folded}</div>"


def _overlaps(masks_of: Mapping[str, Mask]) -> list[str]:
    """Return the overlap of every two tickets that have the layers of the first."""
    paths = {label: [row["path"] for row in layers(mask)] for label, mask in masks_of.items()}
    first = next(iter(paths.values()))
    alike = {label: mask for label, mask in masks_of.items() if paths[label] == first}
    if len(alike) < 2:
        return []
    body = [
        [label, *(f"{masks.overlap(mask, other)['']:.2f}" for other in alike.values())]
        for label, mask in alike.items()
    ]
    told = '<p class="note">Weights that both keep, of those that either keeps (Jaccard).</p>'
    return [f"<div><h3>Overlap of tickets</h3>{told}{html_table(['ticket', *alike], body)}</div>"]
