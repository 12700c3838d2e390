"""What a ticket holds, how two tickets differ, and whether a ticket is sound.

A table is a list of rows with the same keys; rows hold what JSON can hold. Kernels are laid out as
in `rtickets.patterns`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rtickets import masks
from rtickets.config_files import to_paths
from rtickets.draw.ticket import Ticket, read_description
from rtickets.errors import InputError
from rtickets.masks import Count, Mask
from rtickets.terminal import printable

Table = list[dict[str, Any]]

# The fields of a stage's configuration that tell in short what it did.
_SHORT = (
    *("method", "criterion", "sparsity", "pattern", "scope", "model.arch", "model.width"),
    *("data.source", "data.train_examples", "mode", "train.objective.name", "train.duration"),
    *("train.seed", "seed"),
)


def layers(mask: Mask) -> Table:
    """Count what is pruned in every prunable layer.

    Args:
        mask: a mask.

    Returns:
        A row per layer: path, shape, weights, survivors, sparsity; the share of its kernels (the
        spatial positions of one input and output) without a survivor, and how many outputs and
        inputs have none. None for kernels where there are no spatial axes, and for inputs where
        there is one axis. An input of a grouped convolution is that input of every group.
    """
    return [_layer(path, keep) for path, keep in masks.prunable_leaves(mask).items()]


def describe(ticket: Ticket) -> dict[str, Table]:
    """Describe a ticket.

    Args:
        ticket: the ticket.

    Returns:
        `stages`, each with its configuration in short; `sparsity` over the prunable weights and
        over all parameters; `layers`.
    """
    summary = masks.summary(ticket.mask, ticket.params)
    history = ticket.meta.get("history")
    entries = history if isinstance(history, list) else []
    return {
        "stages": [_stage(entry) for entry in entries if isinstance(entry, Mapping)],
        "sparsity": [
            {"over": "prunable weights", **_count(summary.prunable)},
            {"over": "all parameters", **_count(summary.parameters)},
        ],
        "layers": layers(ticket.mask),
    }


def compare(a: Ticket, b: Ticket) -> dict[str, Table]:
    """Compare masks, weights and provenance of two tickets of one network.

    Args:
        a: a ticket with finite weights.
        b: another; leaves that are not prunable may differ in shape, as heads do.

    Returns:
        `layers`, a row per prunable layer and one named 'all': weights, survivors of both, the
        Jaccard overlap of the masks, the `chance_overlap`, and the largest absolute difference of
        weights that live in both, None where there are none. `provenance_differences`, a row per
        field, None where a ticket lacks it.

    Raises:
        InputError: if the tickets do not have the same prunable layers.
    """
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


def chance_overlap(counts: Iterable[tuple[int, int, int]]) -> float:
    """Return the Jaccard overlap to expect of two independent random masks.

    Args:
        counts: survivors A and B of the masks and number n of weights, per layer.

    Returns:
        The expected size of the intersection, A B / n summed over the layers, over that of the
        union, A + B - A B / n likewise; 1 where both masks are empty.
    """
    filled = [count for count in counts if count[2]]
    both = sum(a * b / n for a, b, n in filled)
    either = sum(a + b for a, b, _ in filled) - both
    return both / either if either else 1.0


def verify(path: Path) -> Ticket:
    """Read a ticket and check all that can be checked without its network.

    `Ticket.load` checks format, version and checksums, and that shapes, masks and stored survivors
    fit each other. Beyond that, all values must be finite, prunable weights floating-point, and the
    sparsity in ticket.json that of the masks.

    Args:
        path: the ticket's folder.

    Returns:
        The ticket.

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


def as_text(tables: Mapping[str, Table]) -> str:
    """Return tables as aligned text, an empty line between them; paths without a common ending."""
    return "\n\n".join(
        _aligned(name.replace("_", " "), _short_paths(rows)) for name, rows in tables.items()
    )


def _short_paths(rows: Table) -> Table:
    """Leave out the ending that all paths share, such as /kernel, and say so in the heading."""
    paths = [str(row["path"]) for row in rows if "path" in row]
    ending = paths[0][paths[0].rfind("/") :] if paths and "/" in paths[0] else ""
    if len(paths) < 2 or not ending or not all(path.endswith(ending) for path in paths):
        return rows
    heading = f"path (... {ending})"
    return [{heading: str(row["path"]).removesuffix(ending), **_without_path(row)} for row in rows]


def _without_path(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}


def _layer(path: str, keep: np.ndarray) -> dict[str, Any]:
    axes = tuple(range(keep.ndim))
    kernels = ~keep.any(axis=axes[:-2])  # (inputs, outputs)
    return {
        "path": path,
        "shape": list(keep.shape),
        **_count(Count(int(keep.sum()), keep.size)),
        "zero_kernels": float(kernels.mean()) if axes[2:] and kernels.size else None,
        "zero_outputs": int((~keep.any(axis=axes[:-1])).sum()),
        "zero_inputs": int((~keep.any(axis=(*axes[:-2], axes[-1]))).sum()) if axes[1:] else None,
    }


def _count(count: Count) -> dict[str, Any]:
    return {"weights": count.total, "survivors": count.survivors, "sparsity": count.sparsity}


def _stage(entry: Mapping[str, Any]) -> dict[str, Any]:
    fields = to_paths(entry)
    config = {name: fields[name] for name in _SHORT if fields.get(name) is not None}
    return {"stage": str(entry.get("stage")), "config": config}


def _largest_difference(a: Any, b: Any, common: np.ndarray) -> float | None:
    x, y = (np.asarray(weights)[common] for weights in (a, b))
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
    prunable = {f"params/{path}" for path in masks.prunable_leaves(ticket.mask)}
    for path, leaf in arrays.items():
        broken = int((~np.isfinite(leaf)).sum())
        if broken:
            raise InputError(f"{broken:,} of {leaf.size:,} values of {path} are not finite")
        if path in prunable and not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise InputError(f"{path} is {leaf.dtype}; prunable weights are floating-point")


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


def _aligned(name: str, rows: Table) -> str:
    if not rows:
        return f"{name}: none"
    columns = []
    for key in rows[0]:
        values = [row[key] for row in rows]
        cells = [printable(key.replace("_", " ")), *(printable(_cell(value)) for value in values)]
        width = max(len(cell) for cell in cells)
        right = not any(isinstance(value, str | Mapping | list) for value in values)
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = json.dumps(value)
    if isinstance(value, Mapping):
        text = " ".join(f"{name}={part}" for name, part in value.items())
    return text if len(text) <= 160 else f"{text[:157]}..."
