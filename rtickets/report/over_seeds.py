"""Statistics over seeds: one row per point of every curve."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.settings import config_files
from rtickets.stages.results import headline_of
from rtickets.stages.settings import moves

CLEAN = "clean"
_KIND = ("title", "unit", "higher_is_better", "detail")
ValuesOf = Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]


class Spread(NamedTuple):
    """Mean and sample standard deviation over seeds; the latter is NaN for one seed."""

    mean: float
    std: float
    seeds: int


class Point(NamedTuple):
    """What tells one point of a study from another, seeds aside."""

    metric: str
    transfer: str
    draw: str
    sparsity: float
    objective: str


BySeed = dict[Point, dict[int, float]]


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of some values, one per seed."""
    listed = list(values)
    mean = math.fsum(listed) / len(listed)  # exact sums: the order of cells changes no digit
    if len(listed) == 1:
        return Spread(mean, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in listed) / (len(listed) - 1)
    return Spread(mean, math.sqrt(variance), len(listed))


def metrics_of(cell: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the headline of a cell by name: 'clean', and under each attack.

    Each has its `title`, unit and direction besides.
    """
    headline = headline_of(cell)
    kind = {"unit": headline.unit, "higher_is_better": headline.higher_is_better, "detail": False}
    found = {CLEAN: {**cell["clean"], **kind, "title": headline.called}}
    for label, under in cell["attacks"].items():
        found[label] = {**under, **kind, "title": f"{headline.called} under {label}"}
    return found


def further_of(cell: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the other measures of a cell by name, likewise, those under attacks too."""
    name = headline_of(cell).name
    found = dict(cell.get("measures", {}))
    found.pop(name, None)
    for label, attack in cell["attacks"].items():
        own = attack.get("measures", {})
        found |= {f"{each} under {label}": value for each, value in own.items() if each != name}
    return {each: {"detail": False, **value, "title": each} for each, value in found.items()}


def by_seed(cells: Iterable[Mapping[str, Any]], values_of: ValuesOf = metrics_of) -> BySeed:
    """Collect the values of every point, keyed by seed, in the order of a study's cells."""
    points: BySeed = {}
    for cell in cells:
        for metric, found in values_of(cell).items():
            points.setdefault(_point(metric, cell), {})[cell["seed"]] = found["value"]
    return points


def _point(metric: str, cell: Mapping[str, Any]) -> Point:
    return Point(metric, cell["transfer"], cell["draw"], cell["sparsity"], cell["objective"])


def rows(
    cells: Iterable[Mapping[str, Any]], baseline: str, values_of: ValuesOf = metrics_of
) -> list[dict[str, Any]]:
    """Return one row per point of a study's cells: spread over seeds and gain over the baseline.

    The gain is taken seed by seed, because the branches of a comparison share their seed, and then
    averaged. It is a difference: of a measure that is better the lower, a gain is negative.

    Args:
        cells: of the study.
        baseline: the objective that gains are over.
        values_of: what is taken of a cell, `metrics_of` or `further_of`.

    Returns:
        Dictionaries that JSON can hold; `gain` and `gain_std` are None for the baseline itself, and
        a standard deviation over one seed is None. The baseline's rows come first.
    """
    cells = list(cells)
    points, table = by_seed(cells, values_of), []
    kinds = {
        _point(metric, cell): {name: found[name] for name in _KIND}
        for cell in cells
        for metric, found in values_of(cell).items()
    }
    for point, values in points.items():
        over_seeds = spread(values.values())
        row: dict[str, Any] = {
            **point._asdict(),
            **kinds[point],
            "remaining": 1 - point.sparsity,
            "mean": over_seeds.mean,
            "std": _json(over_seeds.std),
            "seeds": over_seeds.seeds,
            "gain": None,
            "gain_std": None,
        }
        reference = points.get(point._replace(objective=baseline), {})
        shared = [seed for seed in values if seed in reference]
        if point.objective != baseline and shared:
            gain = spread(values[seed] - reference[seed] for seed in shared)
            row.update(gain=gain.mean, gain_std=_json(gain.std))
        table.append(row)
    return sorted(table, key=lambda row: row["objective"] != baseline)


def moves_of(config: Mapping[str, Any], transfer: str) -> str | None:
    """Say what a transfer of a study changes of a ticket, see `rtickets.config.moves`.

    None where the configuration, as JSON holds it, does not describe the transfer.
    """
    found = config.get("transfers", {}).get(transfer)
    if found is None:
        return None
    estimated = found.get("recalibrate")
    how = None if estimated is None else config_files.parse(TransferRecalibrateConfig, estimated)
    return moves(found["mode"], found["train"]["statistics"], how)


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
