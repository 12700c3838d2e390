"""The tickets of a study, drawn: where they are sparse, how alike they are, what they see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.report.ticket_pictures import (
    first_convolution,
    plot_kernels,
    plot_overlap,
    plot_sparsity,
)
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


def picture_tickets(tickets: Tickets) -> dict[str, bytes]:
    """Draw the tickets of a study.

    Returns:
        PNG pictures by a heading: overlap of every two that have the same prunable layers, and for
        every objective the sparsity per layer and the first kernels of its first ticket.
    """
    pictures = {}
    named = {" ".join(label): ticket.mask for label, ticket in tickets.items()}
    paths = {label: [row["path"] for row in layers(mask)] for label, mask in named.items()}
    alike = {
        label: mask for label, mask in named.items() if paths[label] == next(iter(paths.values()))
    }
    if len(alike) > 1:
        pictures["Overlap of tickets"] = plot_overlap(alike)
    for objective in dict.fromkeys(objective for objective, _ in tickets):
        own = {draw: ticket for (other, draw), ticket in tickets.items() if other == objective}
        masks = {draw: ticket.mask for draw, ticket in own.items()}
        pictures[f"Sparsity per layer: {objective}"] = plot_sparsity(masks)
        draw, ticket = next(iter(own.items()))
        if first_convolution(ticket):
            pictures[f"First kernels: {objective} {draw}"] = plot_kernels(ticket)
    return pictures
