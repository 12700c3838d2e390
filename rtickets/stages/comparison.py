"""Gains of a study over its baseline, with intervals: `rtickets.evaluation.paired` on its cells."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.evaluation.outcomes import Outcome, read_outcome
from rtickets.evaluation.paired import (
    LEVEL,
    Uncertainty,
    half_width,
    holm,
    over_examples,
    over_seeds,
    p_value,
    unpaired,
)
from rtickets.stages.points import Point, ValuesOf, further_of, metrics_of, point_of, spread
from rtickets.tasks import units

GAIN_FIELDS = (
    *("gain", "gain_std", "gain_seeds", "gain_low", "gain_high", "gain_over"),
    *("gain_error_seeds", "gain_error_examples", "gain_p", "gain_p_holm"),
)
Cell = Mapping[str, Any]
OutcomeOf = Callable[[Cell, str], Outcome | None]


class Pair(NamedTuple):
    """Two cells of one seed that differ in the objective alone.

    Attributes:
        seed: of both.
        values: of the metric, (baseline, other).
        halves: half the widths of their own 95% intervals over examples, likewise.
        outcomes: what became of every test example, likewise; None where that is not known.
        unit: of the values.
    """

    seed: int
    values: tuple[float, float]
    halves: tuple[float, float]
    outcomes: tuple[Outcome, Outcome] | None
    unit: str


def gains_of(
    cells: Iterable[Cell],
    baseline: str,
    values_of: ValuesOf = metrics_of,
    outcome_of: OutcomeOf | None = None,
) -> list[dict[str, Any]]:
    """Return the gain over the baseline at every point of another objective.

    It is a difference: of a measure that is better the lower, a gain is negative.

    Args:
        cells: of the study.
        baseline: the objective that gains are over.
        values_of: what is taken of a cell, `metrics_of` or `further_of`.
        outcome_of: (cell, metric) -> what became of every example, None where that is not known.

    Returns:
        Dictionaries that JSON can hold, of the fields of `Point`, and

        - `gain`, its deviation `gain_std` over `gain_seeds` seeds that both branches have, None for
          one seed;
        - `gain_low` and `gain_high`, the ends of the 95% interval, and what it is over as
          `gain_over`: 'seeds and examples', 'seeds', 'examples', or 'nothing', where there is no
          interval and they are None;
        - `gain_error_seeds` and `gain_error_examples`, the two standard errors in it, or None;
        - `gain_p`, 1 - level of the widest interval without 0, and `gain_p_holm`, which is adjusted
          for all gains of the metric in this list.
    """
    pairs = _pairs(list(cells), baseline, values_of, outcome_of)
    found = [{**point._asdict(), **_gain(own)} for point, own in pairs.items()]
    for metric in dict.fromkeys(each["metric"] for each in found):
        own = [each for each in found if each["metric"] == metric and each["gain_p"] is not None]
        for each, adjusted in zip(own, holm([each["gain_p"] for each in own]), strict=True):
            each["gain_p_holm"] = adjusted
    return found


def all_gains(
    cells: Sequence[Cell], baseline: str, folders: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """Return the gains in the headline, clean and under attacks, and in further measures.

    Args:
        cells: of a study, with the name of their `evaluation`.
        baseline: the objective that gains are over.
        folders: of the evaluations by name.
    """

    def outcome_of(cell: Cell, metric: str) -> Outcome | None:
        return read_outcome(folders[cell["evaluation"]], metric)

    headline = gains_of(cells, baseline, metrics_of, outcome_of)
    return headline + gains_of(cells, baseline, further_of)


def is_clear(gain: Mapping[str, Any]) -> bool:
    """Whether the interval of a gain does not hold 0."""
    low, high = gain.get("gain_low"), gain.get("gain_high")
    return low is not None and high is not None and (low > 0 or high < 0)


def is_clear_with_others(gain: Mapping[str, Any]) -> bool:
    """Whether a gain is clear also when adjusted for all gains of its metric in the study."""
    adjusted = gain.get("gain_p_holm")
    return is_clear(gain) and adjusted is not None and adjusted < 1 - LEVEL


def family_lines(gains: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say of every metric how many gains are clear, one by one and together, a line each.

    Transfers may call a metric differently, as accuracy and mean IoU; they are adjusted together.
    """
    lines = []
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    for each in gains:
        if each.get("gain_p") is not None and each.get("gain_p_holm") is not None:
            by_metric.setdefault(each["metric"], []).append(each)
    for own in by_metric.values():
        titles = " and ".join(dict.fromkeys(each["title"] for each in own))
        clear, together = (sum(map(is_it, own)) for is_it in (is_clear, is_clear_with_others))
        over = " or ".join(dict.fromkeys(each["gain_over"] for each in own))
        lines.append(
            f"{titles}: {len(own)} gains with 95% intervals over {over}; {clear} exclude 0, "
            f"{together} also when adjusted for {len(own)} comparisons (Holm)"
        )
    return lines


def _pairs(
    cells: Sequence[Cell], baseline: str, values_of: ValuesOf, outcome_of: OutcomeOf | None
) -> dict[Point, list[Pair]]:
    values = {id(cell): values_of(cell) for cell in cells}
    points = {
        (point_of(metric, cell), cell["seed"]): cell
        for cell in cells
        for metric in values[id(cell)]
    }
    pairs: dict[Point, list[Pair]] = {}
    for (point, seed), cell in points.items():
        reference = points.get((point._replace(objective=baseline), seed))
        if point.objective == baseline or reference is None:
            continue
        both = reference, cell
        before, after = (values[id(each)][point.metric] for each in both)
        kept = [outcome_of(each, point.metric) if outcome_of else None for each in both]
        numbers = float(before["value"]), float(after["value"])
        halves = _half(before), _half(after)
        pair = Pair(seed, numbers, halves, _of_both(point, seed, kept), after["unit"])
        pairs.setdefault(point, []).append(pair)
    return pairs


def _half(measured: Mapping[str, Any]) -> float:
    """Return half the width of an interval, 0 of what has none; what a bound cuts off counts."""
    value = float(measured["value"])
    low, high = (float(measured.get(end, value)) for end in ("low", "high"))
    return max(value - low, high - value, 0.0)


def _of_both(
    point: Point, seed: int, outcomes: Sequence[Outcome | None]
) -> tuple[Outcome, Outcome] | None:
    first, second = outcomes
    if first is None or second is None:
        return None
    if (first.asked, len(first.right)) != (second.asked, len(second.right)):
        raise InputError(
            f"{point.transfer}, {point.draw}, sparsity {point.sparsity:g}, seed {seed}: the "
            f"evaluations of both branches ({point.metric}) are of different examples, so they "
            "make no pair; evaluate both on the same split again"
        )
    return first, second


def _gain(pairs: Sequence[Pair]) -> dict[str, Any]:
    gains = [pair.values[1] - pair.values[0] for pair in pairs]
    mean, std, count = spread(gains)
    size = max(abs(value) for pair in pairs for value in pair.values)
    reasons = {"seeds": over_seeds(gains, size), "examples": _over_examples(pairs)}
    known = {name: each for name, each in reasons.items() if each is not None}
    half = half_width(list(known.values())) if known else math.nan
    most = 1.0 if pairs[0].unit == units.SHARE else math.inf  # no difference of shares is larger
    return {
        "gain": mean,
        "gain_std": std if count > 1 else None,
        "gain_seeds": count,
        "gain_low": max(mean - half, -most) if known else None,
        "gain_high": min(mean + half, most) if known else None,
        "gain_over": " and ".join(known) or "nothing",
        **{f"gain_error_{name}": each and each.error for name, each in reasons.items()},
        "gain_p": p_value(mean, list(known.values())) if known else None,
        "gain_p_holm": None,
    }


def _over_examples(pairs: Sequence[Pair]) -> Uncertainty | None:
    """Return how a gain varies with the examples, None where that is not known.

    It is from pairs of answers where all seeds have those of the same examples. Else it is from the
    values' own intervals, as if every branch had seen other examples, and all seeds the same.
    """
    kept = [pair.outcomes for pair in pairs if pair.outcomes is not None]
    asked = {(before.asked, len(before.right)) for before, _ in kept}
    if len(kept) < len(pairs) or len(asked) != 1:
        half = float(np.mean([math.hypot(*pair.halves) for pair in pairs]))
        return unpaired(half)
    each = [after.right.astype(float) - before.right.astype(float) for before, after in kept]
    return over_examples(np.mean(each, axis=0), kept[0][0].weights)
