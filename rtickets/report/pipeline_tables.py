"""What a comparison of pipelines says in numbers, of its cells alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rtickets.evaluation.paired import LEVEL, over_seeds
from rtickets.restoration.tables import Cells, Table, grouped
from rtickets.stages.pipelines.cells import cells_of
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.stages.search_accounts import KINDS
from rtickets.tasks import units

_KEYS = ("pipeline", "sparsity", "task", "target")


def measured(cells: Cells) -> Cells:
    """Return the cells that did not fail."""
    return [cell for cell in cells if "failed" not in cell]


def tables_of(config: PipelineStudyConfig, cells: Cells) -> list[Table]:
    """Return the tables of a study, those that have anything to say."""
    own = measured(cells)
    found = [
        *(_overview(place, some) for place, some in grouped(own, "task", "target").items()),
        _differences(config, own),
        _totals(own),
        *_by_layer(config, own),
        _missing(config, cells),
    ]
    return [table for table in found if table.rows]


def called(pipeline: str, sparsity: float) -> str:
    """Return what a pipeline is called at a sparsity, which is that of living channels."""
    return f"{pipeline}, {sparsity:.0%}" if sparsity else pipeline


def titled(task: str, target: str) -> str:
    """Return what is measured, in words."""
    return task if task == target else f"from {task} to {target}"


def _overview(place: tuple[Any, ...], cells: Cells) -> Table:
    rows = []
    for (pipeline, sparsity), some in grouped(cells, "pipeline", "sparsity").items():
        dense = _mean(some, "multiply_adds", "dense")
        adds = _mean(some, "multiply_adds", "sparse")
        rows.append([
            called(pipeline, sparsity),
            _spread(some),
            f"{adds:,.0f}",
            f"{adds / dense:.1%}",
            f"{_mean(some, 'multiply_adds', 'sparse_even'):,.0f}",
            f"{_mean(some, 'parameters', 'sparse'):,.0f}",
            f"{np.mean([cell['channels'][0] for cell in some]):.0f} of {some[0]['channels'][1]}",
            str(len(some)),
        ])  # fmt: skip
    what = units.headed(cells[0]["measure"], cells[0]["unit"])
    head = [
        "pipeline, sparsity", what, "multiply-adds", "of the dense", "by the approximation",
        "parameters", "channels", "seeds",
    ]  # fmt: skip
    chance = cells[0].get("chance")
    note = (
        "Mean and standard deviation over seeds. The sparsity is of the weights of living "
        "channels. Multiply-adds are exact, layer by layer; the published approximation spreads "
        "the sparsity evenly."
    )
    if chance is not None:
        note += f" Without looking at the input: {units.said(chance, cells[0]['unit'])}."
    return Table("overview", f"Pipelines, {titled(*place)}", head, rows, note)


def _mean(cells: Cells, what: str, kind: str) -> float:
    return float(np.mean([cell[what][kind] for cell in cells]))


def _spread(cells: Cells) -> str:
    unit, values = cells[0]["unit"], np.array([cell["value"] for cell in cells], float)
    deviation = f" ± {units.shown(values.std(ddof=1), unit)}" if len(values) > 1 else ""
    return f"{units.shown(values.mean(), unit)}{deviation}"


def _differences(config: PipelineStudyConfig, cells: Cells) -> Table:
    by_place = grouped(cells, *_KEYS)
    rows = []
    for label, others in config.compared.items():
        for other in others:
            for (pipeline, sparsity, *place), some in by_place.items():
                if pipeline != label:
                    continue
                theirs = next(
                    (by_place[key] for s in (sparsity, 0.0)
                     if (key := (other, s, *place)) in by_place), [],
                )  # fmt: skip
                if row := _paired(some, theirs):
                    rows.append([called(label, sparsity), other, titled(*place), *row])
    head = ["pipeline", "less", "task", "difference", "95% interval", "pairs above 0"]
    note = (
        "Mean difference between pairs of the same seed, in the unit of the measure (points of "
        "percent for shares), at the same sparsity where both have one, with Student's interval "
        "over seeds."
    )
    return Table("differences", "Pair by pair", head, rows, note)


def _paired(cells: Cells, others: Cells) -> list[str]:
    """Return the mean difference, its interval over seeds, and how many pairs are above 0."""
    theirs = {cell["seed"]: cell["value"] for cell in others}
    gains = [c["value"] - theirs[c["seed"]] for c in cells if c["seed"] in theirs]
    if not gains:
        return []
    mean, varied, unit = float(np.mean(gains)), over_seeds(gains), cells[0]["unit"]
    ends = ""
    if varied is not None:
        half = varied.half_width(LEVEL)
        low, high = (units.shown(mean + sign * half, unit, sign=True) for sign in (-1, 1))
        ends = f"[{low}, {high}]"
    above = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
    return [units.shown(mean, unit, sign=True), ends, above]


def _totals(cells: Cells) -> Table:
    rows = []
    own = [cell for cell in cells if cell["task"] == cell["target"]]
    for (pipeline, sparsity, task), some in grouped(own, "pipeline", "sparsity", "task").items():
        numbers = [
            f"{_mean(some, what, kind):,.0f}"
            for what in ("parameters", "multiply_adds")
            for kind in KINDS
        ]
        even = f"{_mean(some, 'multiply_adds', 'sparse_even'):,.0f}"
        rows.append([task, called(pipeline, sparsity), *numbers, even])
    head = ["task", "pipeline", *_heads(), "sparse, approximated"]
    return Table("accounts", "Parameters and multiply-adds", head, rows, "Mean over seeds.")


def _heads() -> list[str]:
    return [f"{what}, {kind}" for what in ("parameters", "multiply-adds") for kind in KINDS]


def _by_layer(config: PipelineStudyConfig, cells: Cells) -> Iterator[Table]:
    """Yield the layers of the first pipeline that searches and prunes, of every task."""
    labels = [
        name
        for name, own in config.pipelines.items()
        if own.search == "two_in_one" and own.then == "nothing"
    ]
    some = [cell for cell in cells if cell["pipeline"] in labels[:1]]
    if not some:
        return
    sparsest = max(cell["sparsity"] for cell in some)
    for (task,), own in grouped(some, "task").items():
        cell = next((each for each in own if each["sparsity"] == sparsest), own[0])
        rows = [[path, *_numbers(layer)] for path, layer in cell["layers"].items()]
        rows.append(["all", *_numbers(_sum(cell["layers"].values()))])
        what = f"{called(cell['pipeline'], cell['sparsity'])}, {task}, seed {cell['seed']}"
        head = ["layer", *_heads(), "sparse, approximated"]
        yield Table("layers", f"Layer by layer: {what}", head, rows)


def _numbers(layer: Mapping[str, Any]) -> list[str]:
    exact = [*layer["parameters"], *layer["multiply_adds"]]
    return [*(f"{number:,}" for number in exact), f"{layer['even']:,.0f}"]


def _sum(layers: Any) -> dict[str, Any]:
    every: Sequence[Mapping[str, Any]] = list(layers)
    sums = {
        what: [sum(column) for column in zip(*(each[what] for each in every), strict=True)]
        for what in ("parameters", "multiply_adds")
    }
    return {**sums, "even": sum(each["even"] for each in every)}


def _missing(config: PipelineStudyConfig, cells: Cells) -> Table:
    """Return the cells that failed, and those that are not there."""
    there = {tuple(cell[key] for key in (*_KEYS, "seed")): cell for cell in cells}
    rows = []
    for cell in cells_of(config):
        own = there.get(tuple(getattr(cell, key) for key in (*_KEYS, "seed")))
        if own is None or "failed" in own:
            rows.append([cell.name, "not run" if own is None else str(own["failed"])])
    return Table("missing", "What is missing", ["cell", "why"], rows)
