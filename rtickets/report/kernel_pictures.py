"""A picture of where the kernels of a ticket are zero: a band a stage, from first to last."""

import numpy as np
from matplotlib.figure import Figure

from rtickets.masks.layout_names import names_in
from rtickets.report.style import png
from rtickets.tickets.ticket import Ticket
from rtickets.tickets.zero_kernels import kernels_of, stage_of

_COLUMNS, _ROWS = 96, 12  # of a band; larger stages have several kernels in a cell


def has_kernels(ticket: Ticket) -> bool:
    """Whether anything is a convolution, of more than one position."""
    return any(alive.shape[-1] > 1 for _, alive in _kernels(ticket))


def plot_zero_kernels(ticket: Ticket) -> bytes:
    """Draw the share of kernels of 3x3 and more without a survivor, dark where all are zero.

    Kernels are laid out row by row in the order of layers, inputs and outputs; a cell is as many of
    them as it takes for a band to hold all.
    """
    by_stage: dict[str, list[np.ndarray]] = {}
    for path, alive in _kernels(ticket):
        if alive.shape[-1] > 1:
            by_stage.setdefault(stage_of(path), []).append(~alive.any(-1).ravel())
    bands = {stage: band_of(np.concatenate(parts)) for stage, parts in by_stage.items()}
    figure = Figure(figsize=(7.2, 0.4 + 1.1 * len(bands)), layout="constrained")
    panels = figure.subplots(len(bands), 1, squeeze=False)[:, 0]
    for panel, (stage, band) in zip(panels, bands.items(), strict=True):
        panel.imshow(band, vmin=0, vmax=1, cmap="magma_r", aspect="auto", interpolation="nearest")
        share = np.concatenate(by_stage[stage]).mean()
        panel.set_title(f"{stage}: {100 * share:.1f}% zero", fontsize=8, loc="left")
        panel.set_xticks([])
        panel.set_yticks([])
    return png(figure)


def band_of(zero: np.ndarray) -> np.ndarray:
    """Return the share of zero kernels in the cells of a band, row by row; NaN where none are.

    Args:
        zero: bool (N,), in order.
    """
    size = max(1, -(-len(zero) // (_COLUMNS * _ROWS)))  # kernels in a cell
    cells = -(-len(zero) // size)
    rows = -(-cells // _COLUMNS)
    padded = np.full(rows * _COLUMNS * size, np.nan)
    padded[: len(zero)] = zero
    grouped = padded.reshape(-1, size)
    known = ~np.isnan(grouped)
    sums = np.where(known, grouped, 0).sum(1)
    counts = known.sum(1)
    shares = np.where(counts, sums / np.maximum(counts, 1), np.nan)
    return shares.reshape(rows, _COLUMNS)


def _kernels(ticket: Ticket) -> list[tuple[str, np.ndarray]]:
    names = names_in(ticket.meta, ticket.params, ())
    return list(kernels_of(ticket.mask, ticket.params, names))
