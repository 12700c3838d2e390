"""Pictures of tickets: sparsity and overlap per layer, overlap of many tickets, first kernels.

Masks and tickets come by label; pictures are PNG.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtickets import masks
from rtickets.errors import InputError, printable
from rtickets.masks import Mask
from rtickets.masks.layout_names import layouts_of, names_in
from rtickets.masks.layouts import to_canonical
from rtickets.masks.ordered import modulus, real
from rtickets.report.style import COLORS, png
from rtickets.storage.files import write_bytes
from rtickets.tickets.inspect import compare, layers
from rtickets.tickets.ticket import Ticket

_PRUNED = (0.98, 0.86, 0.83)
_LONGEST = 45  # characters of a name
_CROSS = COLORS[1]


def plot_sparsity(tickets: Mapping[str, Mask]) -> bytes:
    """Draw a bar per layer and ticket, maybe of different networks: the layer's sparsity."""
    sparsities = {
        label: {row["path"]: row["sparsity"] for row in layers(mask)}
        for label, mask in tickets.items()
    }
    paths = list(dict.fromkeys(path for own in sparsities.values() for path in own))
    if not paths:
        raise InputError("there are no prunable layers to draw")
    count = len(sparsities)
    height = 0.8 / count
    inches = 1 + 0.2 * count + len(paths) * max(0.2, 0.1 * count)
    figure = Figure(figsize=(7.2, inches), layout="constrained")
    panel = figure.subplots()
    for index, (label, own) in enumerate(sparsities.items()):
        where = [paths.index(path) - 0.4 + (index + 0.5) * height for path in own]
        color = COLORS[index % len(COLORS)]
        panel.barh(where, list(own.values()), height, color=color, label=_short([label])[0])
    panel.set_yticks(range(len(paths)), _short(paths), fontsize=8)
    panel.invert_yaxis()
    panel.set_xlim(0, 1)
    panel.set_xlabel("sparsity", fontsize=10)
    panel.grid(alpha=0.25, axis="x")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", fontsize=8, frameon=False)
    return png(figure)


def plot_overlap(tickets: Mapping[str, Mask]) -> bytes:
    """Draw the Jaccard overlap of every two masks of one network over all prunable weights."""
    labels = list(tickets)
    values = [[masks.overlap(a, b)[""] for b in tickets.values()] for a in tickets.values()]
    side = 2.4 + 0.6 * len(labels)
    figure = Figure(figsize=(side, side), layout="constrained")
    panel = figure.subplots()
    _heat_map(panel, values, labels, labels)
    panel.tick_params(axis="x", rotation=90)
    panel.set_title("mask overlap (Jaccard)", fontsize=11)
    return png(figure)


def plot_layer_overlap(a: Ticket, b: Ticket) -> bytes:
    """Draw the Jaccard overlap of two tickets of a network by layer, beside that by chance."""
    rows = compare(a, b)["layers"]
    values = [[row["overlap"], row["overlap_by_chance"]] for row in rows]
    figure = Figure(figsize=(5.4, 1.2 + 0.25 * len(rows)), layout="constrained")
    panel = figure.subplots()
    _heat_map(panel, values, [row["path"] for row in rows], ["overlap", "by chance"])
    panel.set_title("mask overlap (Jaccard)", fontsize=11)
    return png(figure)


def plot_kernels(ticket: Ticket, path: str | None = None) -> bytes:
    """Draw the kernels of a 2-D convolution as small images, one per output channel.

    Zero is mid-grey, the largest magnitude white or black. One input channel is drawn in grey,
    three in colour, of any other number the first in grey; of complex weights the modulus is drawn.
    A cross marks a position where all drawn weights are pruned, a dot one where some are.

    Args:
        path: path of the kernel, whose layout is known; None is `first_convolution`.

    Raises:
        InputError: if the ticket has no such kernel, or it is not of numbers.
    """
    kernels = _convolutions(ticket)
    path = first_convolution(ticket) if path is None else path
    if path not in kernels:
        known = ", ".join(list(kernels)[:3]) or "none at all"
        raise InputError(f"path={path!r} is no kernel of a 2-D convolution; there are {known}")
    weights, keep = kernels[path]
    sized = np.iscomplexobj(weights)
    weights = modulus(path, weights) if sized else real(path, weights)
    shown = slice(None) if weights.shape[2] in (1, 3) else slice(1)
    colors, marks = _grid(weights[:, :, shown], keep[:, :, shown])
    inches = min(0.16, 16 / max(colors.shape[:2]))
    figure = Figure(
        figsize=(max(4.6, inches * colors.shape[1] + 0.4), inches * colors.shape[0] + 0.7),
        layout="constrained",
    )
    panel = figure.subplots()
    panel.imshow(colors, interpolation="nearest")
    for mark, symbol, size in ((2, "x", 36), (1, "o", 18)):
        y, x = np.nonzero(marks == mark)
        panel.plot(x, y, symbol, color=_CROSS, markersize=size * inches, markeredgewidth=inches * 8)
    panel.set_axis_off()
    legend = "x pruned, dot pruned in part" if weights.shape[2] == 3 else "x pruned"
    legend = f"modulus, {legend}" if sized else legend
    panel.set_title(f"{_short([path])[0]} ({legend})", fontsize=9)
    return png(figure)


def first_convolution(ticket: Ticket) -> str | None:
    """Return the path of the kernel of the 2-D convolution that reads the image.

    It is the kernel with 'stem' in its path, else the one with the fewest inputs, the first of
    several in the order of paths; None without any.
    """
    inputs = {path: weights.shape[2] for path, (weights, _) in _convolutions(ticket).items()}
    return min(inputs, key=lambda path: ("stem" not in path, inputs[path]), default=None)


def _convolutions(ticket: Ticket) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return weights and mask, (kh, kw, inputs, outputs), of every 2-D convolution by path."""
    leaves, mask = masks.leaf_paths(ticket.params), masks.leaf_paths(ticket.mask)
    names = names_in(ticket.meta, ticket.params, ())
    found = {}
    for path, layout in layouts_of(ticket.params, leaves, names).items():
        if layout is None or (layout.stacked, layout.spatial) != (0, 2) or not leaves[path].size:
            continue
        keep = np.broadcast_to(np.asarray(mask[path]), leaves[path].shape)
        weights = np.asarray(leaves[path])
        found[path] = to_canonical(weights, layout), to_canonical(keep, layout)
    return found


def write_pictures(folder: Path, tickets: Mapping[str, Ticket]) -> list[Path]:
    """Write what can be drawn of one ticket, or of several of one network; return the files.

    They are of any tickets the sparsity, of one its first kernels, of two the overlap per layer, of
    more the overlap of every two.
    """
    listed = list(tickets.values())
    mask_of = {label: ticket.mask for label, ticket in tickets.items()}
    pictures = {"sparsity": plot_sparsity(mask_of)}
    if len(listed) == 1 and first_convolution(listed[0]):
        pictures["kernels"] = plot_kernels(listed[0])
    elif len(listed) == 2:
        pictures["overlap"] = plot_layer_overlap(*listed)
    elif len(listed) > 2:
        pictures["overlap"] = plot_overlap(mask_of)
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{name}.png": picture for name, picture in pictures.items()}
    for file, picture in files.items():
        write_bytes(file, picture)
    return list(files)


def _short(names: Sequence[str]) -> list[str]:
    """Return names that may come from anybody's file as a picture has room for them."""
    shown = [printable(name, _LONGEST) for name in names]
    return [f" {name}" if name.startswith("_") else name for name in shown]  # else hidden


def _heat_map(
    panel: Axes, values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]
) -> None:
    panel.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    panel.set_xticks(range(len(columns)), _short(columns), fontsize=8)
    panel.set_yticks(range(len(rows)), _short(rows), fontsize=8)
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            color = "white" if value > 0.5 else "black"
            panel.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)


def _grid(weights: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay kernels (kh, kw, C, O) out in a square: colours (H, W, 3) and marks (H, W).

    A mark is 2 where all C weights of a position are pruned, 1 where some are, 0 elsewhere.
    """
    lost = (~keep).sum(2)  # (kh, kw, O)
    marks = np.where(lost == keep.shape[2], 2, np.minimum(lost, 1))
    weights = np.where(keep, weights, 0)
    colors = np.repeat(0.5 + weights / (2 * (np.abs(weights).max() or 1)), 3 // keep.shape[2], 2)
    colors = np.where((marks == 2)[:, :, None], np.reshape(_PRUNED, (3, 1)), colors)
    return _tile(colors, 1.0), _tile(marks[:, :, None], 0)[..., 0]


def _tile(images: np.ndarray, gap: float) -> np.ndarray:
    """Lay images (h, w, C, N) out in a square with gaps of one pixel: (H, W, C)."""
    height, width, channels, count = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + 1, width + 1, channels), gap, images.dtype)
    cells[:count, :-1, :-1] = np.moveaxis(images, -1, 0)
    square = cells.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    return square.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
