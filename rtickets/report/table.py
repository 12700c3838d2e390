"""Statistics over seeds: one row per point of every curve."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rtickets.stages.settings import moves

CLEAN = "clean"


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


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of some values, one per seed."""
    listed = list(values)
    mean = math.fsum(listed) / len(listed)  # exact sums: the order of cells changes no digit
    if len(listed) == 1:
        return Spread(mean, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in listed) / (len(listed) - 1)
    return Spread(mean, math.sqrt(variance), len(listed))


def metrics_of(cell: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the accuracies of a cell by name: 'clean' and one per attack."""
    return {CLEAN: cell["clean"], **cell["attacks"]}


def by_seed(cells: Iterable[Mapping[str, Any]]) -> dict[Point, dict[int, float]]:
    """Collect the accuracies of every point, keyed by seed, in the order of a study's cells."""
    points: dict[Point, dict[int, float]] = {}
    for cell in cells:
        for metric, accuracy in metrics_of(cell).items():
            point = Point(
                metric, cell["transfer"], cell["draw"], cell["sparsity"], cell["objective"]
            )
            points.setdefault(point, {})[cell["seed"]] = accuracy["value"]
    return points


def rows(cells: Iterable[Mapping[str, Any]], baseline: str) -> list[dict[str, Any]]:
    """Return one row per point of a study's cells: spread over seeds and gain over the baseline.

    The gain is taken seed by seed, because the branches of a comparison share their seed, and then
    averaged.

    Returns:
        Dictionaries that JSON can hold; `gain` and `gain_std` are None for the baseline itself, and
        a standard deviation over one seed is None. The baseline's rows come first.
    """
    points = by_seed(cells)
    table = []
    for point, values in points.items():
        over_seeds = spread(values.values())
        row: dict[str, Any] = {
            **point._asdict(),
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
    return None if found is None else moves(found["mode"], found["train"]["statistics"])


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value


def percent(mean: float | None, std: float | None = None, *, sign: bool = False) -> str:
    """Return an accuracy, or a difference of two, in percentage points for a table."""
    if mean is None:
        return ""
    text = f"{100 * mean:+.1f}" if sign else f"{100 * mean:.1f}"
    return text if std is None else f"{text} ± {100 * std:.1f}"
