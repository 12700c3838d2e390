"""Signs that a ticket is broken, of its mask alone.

A layer without a survivor answers the same to everything, and so does a channel: what comes later
sees a constant, or what a shortcut carries past it. Accuracy then falls all at once, and no
training of the survivors brings it back.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import Layout, to_canonical

_NAMED = 3  # layers in a line; others are counted
_MANY = 0.5  # of a layer's outputs; single dead channels are an everyday thing at high sparsity


class _Layer(NamedTuple):
    """Outputs of a layer: how many there are, and how many of them have no surviving weight."""

    path: str
    dead: int
    outputs: int


def signs(mask: Mask, params: Params, layouts: Mapping[str, str] | None = None) -> list[str]:
    """Say what is broken in a ticket.

    Args:
        mask: the ticket's mask.
        params: its weights, or their shapes.
        layouts: what the axes of kernels are, where that cannot be inferred; layers of an unknown
            layout are looked at as a whole.

    Returns:
        A line on layers without a survivor, and one on layers most of whose outputs have none,
        where there are such. Patterns that remove whole outputs do so on purpose and are not
        counted.
    """
    kept = masks.prunable_leaves(mask)
    empty = [path for path, keep in kept.items() if keep.size and not keep.any()]
    lines = []
    if empty:
        what = "layer has" if len(empty) == 1 else "layers have"
        lines.append(
            f"{len(empty)} {what} no survivor, and emit a constant: {_list(empty)}; lower the "
            "sparsity, or spread it with scope='erk'"
        )
    seen = layouts_of(params, kept, layouts)
    layers = _dead_outputs({p: k for p, k in kept.items() if p not in empty}, seen)
    many = sorted(
        (each for each in layers if each.dead >= _MANY * each.outputs),
        key=lambda each: -each.dead / each.outputs,
    )
    if many:
        shown = [f"{each.path} ({each.dead:,} of {each.outputs:,})" for each in many]
        lines.append(f"outputs without a survivor, which emit a constant: {_list(shown)}")
    return lines


def _dead_outputs(
    kept: Mapping[str, np.ndarray], layouts: Mapping[str, Layout | None]
) -> Iterator[_Layer]:
    for path, keep in kept.items():
        layout = layouts[path]
        if layout is None:
            continue
        view = to_canonical(keep, layout)  # (stack..., space..., inputs, outputs)
        alive = view.any(axis=tuple(range(layout.stacked, view.ndim - 1)))  # (stack..., outputs)
        whole = view.all(axis=tuple(range(layout.stacked, view.ndim - 1)))
        if (alive == whole).all():  # outputs live or die as a whole: that is the pattern
            continue
        yield _Layer(path, int((~alive).sum()), alive.size)


def _list(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
