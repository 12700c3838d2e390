"""What a ticket holds, how two tickets differ, and whether a ticket is sound."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Count, Mask, Params
from rtickets.masks.layout_names import layouts_of, names_in
from rtickets.masks.layouts import Layout, to_canonical
from rtickets.settings.config_files import to_paths
from rtickets.tickets.description import stages_in
from rtickets.tickets.tables import Table
from rtickets.tickets.ticket import Ticket, read_description

# The fields of a stage's configuration that tell in short what it did.
_SHORT = (
    *("method", "method.name", "criterion", "sparsity", "pattern", "scope"),
    *("model.arch", "model.width"),
    *("data.source", "data.train_examples", "data.train_fraction", "data.train_per_class"),
    *("mode", "train.objective.name", "train.duration", "train.seed", "seed"),
)


def layers(
    mask: Mask, params: Params | None = None, layouts: Mapping[str, str] | None = None
) -> Table:
    """Count what is pruned in every prunable leaf.

    Args:
        params: the weights, or their shapes: biases tell what the axes of kernels are, which shapes
            of prunable leaves alone may not.
        layouts: what they are where that cannot be inferred, see `rtickets.masks.layout_names`.

    Returns:
        A row per leaf: path, shape, layout, weights, survivors, sparsity; the share of its kernels
        (the spatial positions of one input and output) without a survivor, and how many outputs and
        inputs have none, in all copies of a stack. None for kernels where there are no spatial
        axes, and for all three where the layout is unknown. An input of a grouped convolution is
        that input of every group.
    """
    masks.check(mask, params)
    kept = masks.prunable_leaves(mask)
    seen = layouts_of(mask if params is None else params, kept, layouts)
    return [_layer(path, keep, seen[path]) for path, keep in kept.items()]


def describe(ticket: Ticket) -> dict[str, Table]:
    """Describe a ticket.

    Returns:
        `stages`, each with its configuration in short; `sparsity` over the prunable weights and
        over all parameters; `layers`.
    """
    summary = masks.summary(ticket.mask, ticket.params)
    layouts = names_in(ticket.meta, ticket.params, ())
    return {
        "stages": [_stage(entry) for entry in stages_in(ticket.meta)],
        "sparsity": [
            {"over": "prunable weights", **_count(summary.prunable)},
            {"over": "all parameters", **_count(summary.parameters)},
        ],
        "layers": layers(ticket.mask, ticket.params, layouts),
    }


def with_names(ticket: Ticket, entries: Iterable[str]) -> Ticket:
    """Return a ticket with names of layouts, see `parse_names`, before those of its provenance."""
    paths = masks.prunable_leaves(ticket.mask)
    names = names_in(ticket.meta, ticket.params, paths, entries)
    return dataclasses.replace(ticket, meta={**ticket.meta, "layouts": names})


def compare(a: Ticket, b: Ticket) -> dict[str, Table]:
    """Compare masks, weights and provenance of two tickets of one network, with finite weights.

    Leaves that are not prunable may differ in shape, as heads do.

    Returns:
        `layers`, a row per prunable layer and one named 'all': weights, survivors of both, the
        Jaccard overlap of the masks, the `chance_overlap`, and the largest absolute difference of
        weights that live in both, None where there are none. `provenance_differences`, a row per
        field, None where a ticket lacks it.

    Raises:
        InputError: if the tickets do not have the same prunable layers.
    """
    _check_compacted(a, b)
    overlap = masks.overlap(a.mask, b.mask)
    masks_a, masks_b = masks.prunable_leaves(a.mask), masks.prunable_leaves(b.mask)
    weights_a, weights_b = masks.leaf_paths(a.params), masks.leaf_paths(b.params)
    counts = {p: (int(m.sum()), int(masks_b[p].sum()), m.size) for p, m in masks_a.items()}
    differences = {
        path: _largest_difference(weights_a[path], weights_b[path], keep & masks_b[path])
        for path, keep in masks_a.items()
    }
    largest = max((d for d in differences.values() if d is not None), default=None)
    rows = [_compared(p, [counts[p]], overlap[p], differences[p]) for p in counts]
    fields = _differences(a.meta, b.meta)
    return {
        "layers": [*rows, _compared("all", list(counts.values()), overlap[""], largest)],
        "provenance_differences": [{"field": f, "a": x, "b": y} for f, x, y in fields],
    }


def _check_compacted(a: Ticket, b: Ticket) -> None:
    """Raise InputError where layers of tickets differ in size as one was made smaller."""
    shapes = [{p: np.shape(m) for p, m in masks.prunable_leaves(t.mask).items()} for t in (a, b)]
    differing = [path for path in shapes[0] if shapes[0][path] != shapes[1].get(path)]
    smaller = [
        name
        for name, ticket in (("first", a), ("second", b))
        if any(entry.get("stage") == "compact" for entry in stages_in(ticket.meta))
    ]
    if differing and shapes[0].keys() == shapes[1].keys() and smaller:
        raise InputError(
            f"{differing[0]} has the shape {shapes[0][differing[0]]} in the first ticket, "
            f"{shapes[1][differing[0]]} in the second: `rtickets compact` made "
            f"{' and '.join(f'the {name}' for name in smaller)} smaller; compare the tickets that "
            "it was given"
        )


def chance_overlap(counts: Iterable[tuple[int, int, int]]) -> float:
    """Return the Jaccard overlap to expect of two independent random masks.

    `counts` are survivors A and B and the number n of weights, per layer. It is the expected size
    of the intersection, A B / n summed over the layers, over that of the union, A + B - A B / n
    likewise; 1 where both masks are empty.
    """
    filled = [count for count in counts if count[2]]
    both = sum(a * b / n for a, b, n in filled)
    either = sum(a + b for a, b, _ in filled) - both
    return both / either if either else 1.0


def verify(path: Path) -> Ticket:
    """Read a ticket and check all that can be checked without its network.

    `Ticket.load` checks format, version and checksums, and that shapes, masks and stored survivors
    fit each other. Beyond that, all values must be finite, and the sparsity in ticket.json that of
    the masks. Prunable weights may have any dtype that `Ticket.save` stores, quantised ones too.

    Raises:
        InputError: naming the folder and the first thing that is wrong.
    """
    try:
        ticket = Ticket.load(path)
        _check_values(ticket)
        _check_recorded_sparsity(read_description(path), ticket)
    except InputError as error:
        if str(error).startswith(str(path)):
            raise
        raise InputError(f"{path}: {error}") from None
    return ticket


def verified(ticket: Ticket) -> str:
    """Say in one line what `verify` found to be right."""
    arrays = masks.leaf_paths((ticket.params, ticket.batch_stats))
    count = masks.summary(ticket.mask, ticket.params).prunable
    return (
        f"checksums, shapes, dtypes and recorded sparsity are right; {len(arrays)} arrays are "
        f"finite; {count.survivors:,} of {count.total:,} prunable weights live, the others are zero"
    )


def _layer(path: str, keep: np.ndarray, layout: Layout | None) -> dict[str, Any]:
    row = {
        "path": path,
        "shape": list(keep.shape),
        "layout": layout.roles if layout else None,
        **_count(Count(int(keep.sum()), keep.size)),
    }
    if layout is None:
        return row | dict.fromkeys(("zero_kernels", "zero_outputs", "zero_inputs"))
    view = to_canonical(keep, layout)  # (stack..., space..., inputs, outputs)
    space = tuple(range(layout.stacked, view.ndim - 2))
    kernels = view.any(axis=space)  # (stack..., inputs, outputs)
    return row | {
        "zero_kernels": float((~kernels).mean()) if space and kernels.size else None,
        "zero_outputs": int((~kernels.any(axis=-2)).sum()),
        "zero_inputs": int((~kernels.any(axis=-1)).sum()),
    }


def _count(count: Count) -> dict[str, Any]:
    return {"weights": count.total, "survivors": count.survivors, "sparsity": count.sparsity}


def _stage(entry: Mapping[str, Any]) -> dict[str, Any]:
    fields = to_paths(entry)
    config = {name: fields[name] for name in _SHORT if fields.get(name) is not None}
    return {"stage": str(entry.get("stage")), "config": config}


def _largest_difference(a: Any, b: Any, common: np.ndarray) -> float | None:
    x, y = (np.asarray(weights)[common] for weights in (a, b))
    # In float64: a difference of bfloat16 or of integers would be rounded, or wrap around.
    wide = np.complex128 if np.iscomplexobj(x) or np.iscomplexobj(y) else np.float64
    return float(np.abs(x.astype(wide) - y.astype(wide)).max()) if x.size else None


def _compared(
    path: str, counts: Sequence[tuple[int, int, int]], overlap: float, difference: float | None
) -> dict[str, Any]:
    names = ("survivors_a", "survivors_b", "weights")
    return {
        "path": path,
        **{name: sum(count[index] for count in counts) for index, name in enumerate(names)},
        "overlap": overlap,
        "overlap_by_chance": chance_overlap(counts),
        "largest_difference": difference,
    }


def _differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield dotted path and both values of every field that differs, None where one lacks it."""
    if isinstance(a, list) and isinstance(b, list) and all(isinstance(x, Mapping) for x in a + b):
        a, b = dict(enumerate(a)), dict(enumerate(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in {**a, **b}:
            yield from _differences(a.get(name), b.get(name), f"{path}.{name}" if path else name)
    elif a != b:
        yield path, a, b


def _check_values(ticket: Ticket) -> None:
    arrays = masks.leaf_paths({"params": ticket.params, "batch_stats": ticket.batch_stats})
    for path, leaf in arrays.items():
        broken = int((~np.isfinite(leaf)).sum())
        if broken:
            raise InputError(f"{broken:,} of {leaf.size:,} values of {path} are not finite")


def _check_recorded_sparsity(description: Mapping[str, Any], ticket: Ticket) -> None:
    summary = masks.summary(ticket.mask, ticket.params)
    counted = {
        "prunable": summary.prunable.sparsity,
        "parameters": summary.parameters.sparsity,
        "leaves": {path: count.sparsity for path, count in summary.leaves.items()},
    }
    recorded = {"sparsity": description.get("sparsity")}
    for field, right, found in _differences({"sparsity": counted}, recorded):
        raise InputError(
            f"ticket.json is damaged: {field} is {found!r:.60}, the masks give {right!r:.60}"
        )
