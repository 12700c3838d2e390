"""Signs that a ticket is broken, of its mask and weights alone.

A layer without a survivor answers the same to everything, and so does a channel: what comes later
sees a constant, or what a shortcut carries past it. Accuracy then falls all at once, and no
training of the survivors brings it back.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import Layout, to_canonical

_NAMED = 3  # layers in a line; others are counted
ADVICE = "lower the sparsity, or spread it with a floor or scope='erk'"
_MANY = 0.5  # of a layer's outputs; single dead channels are an everyday thing at high sparsity


class Layer(Protocol):
    """Outputs of a layer: how many there are in `total`, and how many of them are `constant`."""

    @property
    def path(self) -> str:
        """Name of the layer."""
        ...

    @property
    def constant(self) -> int:
        """How many are constant."""
        ...

    @property
    def total(self) -> int:
        """How many there are."""
        ...


class _Layer(NamedTuple):
    """A `Layer` whose constant outputs are those without a surviving weight."""

    path: str
    constant: int
    total: int


_L = TypeVar("_L", bound=Layer)


def signs(
    mask: Mask,
    params: Params,
    layouts: Mapping[str, str] | None = None,
    living: Mask | None = None,
    advice: str = ADVICE,
) -> list[str]:
    """Say what is broken in a ticket.

    Args:
        mask: the ticket's mask.
        params: its weights, or their shapes.
        layouts: what the axes of kernels are, where that cannot be inferred; layers of an unknown
            layout are looked at as a whole.
        living: which weights could live, where whole channels were removed on purpose; their
            outputs, and layers without others, are not counted. None is all of them.
        advice: what to do about layers without a survivor.

    Returns:
        A line on layers without a survivor, one on layers whose survivors are all zero, and one on
        layers most of whose outputs have no survivor, where there are such. Patterns that remove
        whole outputs do so on purpose and are not counted.
    """
    kept = masks.prunable_leaves(mask)
    could = {path: np.ones(keep.shape, bool) for path, keep in kept.items()}
    could |= {} if living is None else masks.prunable_leaves(living)
    kept = {path: keep for path, keep in kept.items() if could[path].any() or not keep.size}
    empty = [path for path, keep in kept.items() if keep.size and not keep.any()]
    lines = []
    if empty:
        what = "layer has" if len(empty) == 1 else "layers have"
        lines.append(
            f"{len(empty)} {what} no survivor, and emit a constant: {named(empty)}; {advice}"
        )
    if zero := [path for path in _without_weights(kept, params) if path not in empty]:
        what = (
            "layer has survivors that are" if len(zero) == 1 else "layers have survivors that are"
        )
        lines.append(
            f"{len(zero)} {what} all 0, and emit a constant: {named(zero)}; draw from a network "
            "that has learnt something there"
        )
    seen = layouts_of(params, kept, layouts)
    layers = _dead_outputs({p: k for p, k in kept.items() if p not in empty}, could, seen)
    if many := worst_first(layers):
        shown = [f"{each.path} ({each.constant:,} of {each.total:,})" for each in many]
        lines.append(f"outputs without a survivor, which emit a constant: {named(shown)}")
    return lines


def _without_weights(kept: Mapping[str, np.ndarray], params: Params) -> Iterator[str]:
    """Yield the layers all of whose surviving weights are zero; shapes alone have no weights."""
    weights = masks.leaf_paths(params)
    for path, keep in kept.items():
        leaf = weights[path]
        if hasattr(leaf, "__array__") and keep.any() and not np.asarray(leaf)[keep].any():
            yield path


def _dead_outputs(
    kept: Mapping[str, np.ndarray],
    could: Mapping[str, np.ndarray],
    layouts: Mapping[str, Layout | None],
) -> Iterator[_Layer]:
    for path, keep in kept.items():
        layout = layouts[path]
        if layout is None:
            continue
        view = to_canonical(keep, layout)  # (stack..., space..., inputs, outputs)
        open_to = to_canonical(could[path], layout)
        inside = tuple(range(layout.stacked, view.ndim - 1))
        alive, there = view.any(axis=inside), open_to.any(axis=inside)  # (stack..., outputs)
        whole = (view | ~open_to).all(axis=inside) & there
        if (alive == whole).all():  # outputs live or die as a whole: that is the pattern
            continue
        yield _Layer(path, int((there & ~alive).sum()), int(there.sum()))


def worst_first(layers: Iterable[_L]) -> list[_L]:
    """Return the layers most of whose outputs are constant, those with the fewest others first."""
    many = [each for each in layers if each.constant >= _MANY * each.total]
    return sorted(many, key=lambda each: -each.constant / each.total)


def named(names: list[str]) -> str:
    """Return some names as a list, the first few of them where there are many."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
