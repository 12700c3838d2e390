"""On how many examples the numbers of a study are, and what further measures say of themselves."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rtickets.evaluation.measures.base import MeasureConfig
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.report.over_seeds import CLEAN, further_of
from rtickets.report.radii import CERTIFIED
from rtickets.settings import config_files

Cell = Mapping[str, Any]
Count = tuple[int, bool]  # and whether it is the number itself, or at most so many


def measure_of(evaluate: Mapping[str, Any], metric: str) -> MeasureConfig | None:
    """Return the settings of the measure that a value LABEL.NAME is of, None of a task's own."""
    label, dot, _ = metric.partition(".")
    if not dot or label not in evaluate["measures"]:
        return None
    return config_files.parse(EvaluateConfig, evaluate).measures[label]


def examples_words(cells: Iterable[Cell], metric: str | None, measure: MeasureConfig | None) -> str:
    """Say on how many examples a metric was measured, by transfer where that differs.

    Args:
        cells: of a study.
        metric: 'clean', 'certified', an attack's label, a further measure, or None for all of the
            headline.
        measure: of `measure_of`, which knows the largest number where a result does not tell it.

    Returns:
        '' where it is unknown.
    """
    found: dict[str, set[Count]] = {}
    for cell in cells:
        found.setdefault(cell["transfer"], set()).update(_counts(cell, metric, measure))
    said = {transfer: ", ".join(map(_said, sorted(counts))) for transfer, counts in found.items()}
    known = {transfer: words for transfer, words in said.items() if words}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{transfer}: {words}" for transfer, words in known.items())


def attack_on(cells: Iterable[Cell], metric: str) -> str:
    """Return the label of the attack that a further measure is under, else 'clean'."""
    found = (further_of(cell).get(metric) for cell in cells)
    return next((each["attack"] for each in found if each), None) or CLEAN


def _counts(cell: Cell, metric: str | None, measure: MeasureConfig | None) -> Iterator[Count]:
    headline = _headline(cell)
    if metric is None or metric in headline:
        values = headline.values() if metric is None else [headline[metric]]
        yield from ((each["examples"], True) for each in values if "examples" in each)
    elif (own := further_of(cell).get(metric)) is not None:
        if own["examples"] is not None:
            yield own["examples"], True
        elif measure is not None and "examples" in cell["clean"]:
            yield measure.examples_of(cell["clean"]["examples"]), False


def _headline(cell: Cell) -> dict[str, Any]:
    """Return the headline of a cell, clean, under attacks and certified."""
    curve = cell.get("certified", {"curve": []})["curve"]
    return {CLEAN: cell["clean"], **cell["attacks"], **({CERTIFIED: curve[0]} if curve else {})}


def _said(count: Count) -> str:
    return f"{'' if count[1] else 'at most '}{count[0]:,}"
