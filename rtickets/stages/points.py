"""The points of a study: what its cells measure, seeds aside."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rtickets.stages.results import headline_of

CLEAN = "clean"
DENSE = "dense"  # the draw of a network of which nothing was drawn
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
    """Return the other measures of a cell by name, likewise, those under attacks too.

    Each has the label of its `attack`, or None, and of how many `examples` it is. The task's are of
    all that were looked at; a further one, LABEL.NAME, says it itself, and did not in older
    results: None.
    """
    name = headline_of(cell).name
    found: dict[str, dict[str, Any]] = {}
    for attack, under in ((None, cell), *cell["attacks"].items()):
        count = cell["clean"].get("examples") if attack is None else under.get("examples")
        for each, value in under.get("measures", {}).items():
            if each != name:
                title = each if attack is None else f"{each} under {attack}"
                known = {"attack": attack, "examples": None if "." in each else count}
                found[title] = {"detail": False, **known, **value, "title": title}
    return found


def by_seed(cells: Iterable[Mapping[str, Any]], values_of: ValuesOf = metrics_of) -> BySeed:
    """Collect the values of every point, keyed by seed, in the order of a study's cells."""
    points: BySeed = {}
    for cell in cells:
        for metric, found in values_of(cell).items():
            points.setdefault(point_of(metric, cell), {})[cell["seed"]] = found["value"]
    return points


def point_of(metric: str, cell: Mapping[str, Any]) -> Point:
    """Return the point that a metric of a cell belongs to."""
    return Point(metric, cell["transfer"], cell["draw"], cell["sparsity"], cell["objective"])


def ticket_words(draw: str, sparsity: float) -> str:
    """Return a ticket in words, with the part of its weights that remains, such as 'omp 10%'."""
    return DENSE if draw == DENSE else f"{draw} {100 * (1 - sparsity):g}%"
