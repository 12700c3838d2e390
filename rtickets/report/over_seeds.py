"""Statistics over seeds: one row per point of every curve."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rtickets.data.settings import DataConfig
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.settings import config_files
from rtickets.stages.comparison import GAIN_FIELDS, gains_of
from rtickets.stages.points import (
    CLEAN,
    Point,
    Spread,
    ValuesOf,
    by_seed,
    further_of,
    metrics_of,
    point_of,
    spread,
)
from rtickets.stages.settings import is_of_texts, moves, with_limit

__all__ = ["CLEAN", "Spread", "by_seed", "further_of", "metrics_of", "moves_of", "rows", "spread"]

_KIND = ("title", "unit", "higher_is_better", "detail")


def rows(
    cells: Iterable[Mapping[str, Any]],
    baseline: str,
    values_of: ValuesOf = metrics_of,
    gains: Iterable[Mapping[str, Any]] | None = None,
    seeds: int | None = None,
) -> list[dict[str, Any]]:
    """Return one row per point of a study's cells: spread over seeds and gain over the baseline.

    The gain is taken seed by seed, because the branches of a comparison share their seed, and then
    averaged, see `rtickets.stages.comparison.gains_of`.

    Args:
        cells: of the study.
        baseline: the objective that gains are over.
        values_of: what is taken of a cell, `metrics_of` or `further_of`.
        gains: what the study's result holds of them; None takes them from the cells, without what
            the test examples tell.
        seeds: how many the study has, `seeds_asked` of a row, of which some may have failed at its
            point; None is as many as the cells have.

    Returns:
        Dictionaries that JSON can hold, with what `gains_of` returns of the point, None for the
        baseline itself; a standard deviation over one seed is None. The baseline's rows come first.
    """
    cells = list(cells)
    asked = len({cell["seed"] for cell in cells}) if seeds is None else seeds
    points, table = by_seed(cells, values_of), []
    known = gains_of(cells, baseline, values_of) if gains is None else gains
    gain_of = {
        tuple(each[name] for name in Point._fields): {
            name: value for name, value in each.items() if name not in Point._fields
        }
        for each in known
    }
    kinds = {
        point_of(metric, cell): {name: found[name] for name in _KIND}
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
            "seeds_asked": asked,
            **(gain_of.get(point) or dict.fromkeys(GAIN_FIELDS)),
        }
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
    data = config_files.parse(DataConfig, found["data"])
    own = moves(found["mode"], found["train"]["statistics"], how, texts=is_of_texts(data))
    return with_limit(own, data)


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
