"""Whether gains are larger where targets are farther from the source: a reading of a study's cells.

A target's gap is the Frechet distance that a measure `domain_gap` found in the dense network of the
baseline, the mean over seeds. Transfers of one mode are the targets; a reading is the rank
correlation of gap and gain over them, for every ticket and objective.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rtickets.evaluation.measures.domain_gap import DISTANCE, DomainGapSettings
from rtickets.evaluation.paired import holm
from rtickets.evaluation.rank_correlation import rank_correlation
from rtickets.stages.points import CLEAN, DENSE, ticket_words
from rtickets.stages.study_settings import StudyConfig

_FEWEST = 3  # targets that have an order
_ENDS = ("gain", "gain_low", "gain_high")
Cell = Mapping[str, Any]


def gap_readings(
    cells: Sequence[Cell], gains: Iterable[Mapping[str, Any]], config: StudyConfig
) -> list[dict[str, Any]]:
    """Return the readings of a study, none where fewer than three targets have a gap.

    Args:
        cells: of the study.
        gains: of the headline, clean and under attacks, see `rtickets.stages.comparison.gains_of`.
        config: of the study.

    Returns:
        Dictionaries that JSON can hold: `gap`, the name of the measure; `mode` of the transfers;
        `metric`, `draw`, `sparsity`, `objective` of the gains; `targets`, a dictionary each of
        `transfer`, `distance`, `gain`, `gain_low` and `gain_high`, by rising distance; `rho`,
        `low`, `high` and `p`, see `RankCorrelation`; `p_holm`, adjusted for all readings of gap and
        metric.
    """
    found = []
    gains = [each for each in gains if _is_headline(each, config)]
    for gap in _gaps(config):
        distances = _distances(cells, gap, config.baseline)
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for gain in gains:
            if gain["transfer"] not in distances:
                continue
            mode = config.transfers[gain["transfer"]].mode
            key = mode, gain["metric"], gain["draw"], gain["sparsity"], gain["objective"]
            target = {"transfer": gain["transfer"], "distance": distances[gain["transfer"]]}
            groups.setdefault(key, []).append(target | {name: gain[name] for name in _ENDS})
        found += [
            _reading(gap, key, targets)
            for key, targets in groups.items()
            if len(targets) >= _FEWEST
        ]
    for kind in dict.fromkeys((each["gap"], each["metric"]) for each in found):
        own = [e for e in found if (e["gap"], e["metric"]) == kind and e["p"] is not None]
        for each, adjusted in zip(own, holm([each["p"] for each in own]), strict=True):
            each["p_holm"] = adjusted
    return found


def gap_notes(cells: Sequence[Cell], config: StudyConfig) -> list[str]:
    """Say where targets of a study are no likes: what a reader of its readings must know.

    Distances depend on the number of images; and where cells failed, means of targets are over
    different seeds.
    """
    notes = []
    for gap, settings in _gaps(config).items():
        own = [cell for cell in cells if gap in cell.get("measures", {})]
        counts = {
            cell["transfer"]: cell["measures"][gap].get(
                "examples", settings.examples_of(cell["clean"]["examples"])
            )
            for cell in own
        }
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{transfer} {count:,}" for transfer, count in counts.items())
            notes.append(
                f"{gap}: distances depend on the number of images, and targets have {said}; set "
                f"the measure's examples to {min(counts.values())} to compare them"
            )
        for mode in dict.fromkeys(each.mode for each in config.transfers.values()):
            targets = [name for name in counts if config.transfers[name].mode == mode]
            notes += [f"{gap}, {mode}: {line}" for line in _lacking(cells, gap, targets, config)]
    return notes


def _lacking(
    cells: Sequence[Cell], gap: str, targets: Sequence[str], config: StudyConfig
) -> Iterator[str]:
    """Yield which targets' distances and gains lack seeds that those of others have."""
    if len(targets) < _FEWEST:
        return
    seeds: dict[tuple[str, float, str, str], set[int]] = {}
    distances: dict[str, set[int]] = {}
    for cell in cells:
        point = cell["draw"], cell["sparsity"], cell["objective"], cell["transfer"]
        seeds.setdefault(point, set()).add(cell["seed"])
        if (cell["draw"], cell["objective"]) == (DENSE, config.baseline) and gap in cell[
            "measures"
        ]:
            distances.setdefault(cell["transfer"], set()).add(cell["seed"])
    if said := _missing({target: distances.get(target, set()) for target in targets}):
        yield f"the distance of {said}"
    for draw, sparsity, objective in dict.fromkeys(point[:3] for point in seeds):
        if objective == config.baseline:
            continue
        pairs = {
            target: seeds.get((draw, sparsity, objective, target), set())
            & seeds.get((draw, sparsity, config.baseline, target), set())
            for target in targets
        }
        if said := _missing(pairs):
            yield f"the gain of {objective}, {ticket_words(draw, sparsity)}, of {said}"


def _missing(seeds: Mapping[str, set[int]]) -> str:
    """Say which targets lack which seeds of the others, '' where none does."""
    every = set[int]().union(*seeds.values())
    lacking = {target: sorted(every - own) for target, own in seeds.items() if own != every}
    said = (
        f"{target} lacks seed{'s' * (len(each) > 1)} {', '.join(map(str, each))}"
        for target, each in lacking.items()
    )
    return f"{' and '.join(said)}, which other targets have" if lacking else ""


def _is_headline(gain: Mapping[str, Any], config: StudyConfig) -> bool:
    return gain["metric"] in (CLEAN, *config.evaluate.attacks)


def _gaps(config: StudyConfig) -> dict[str, DomainGapSettings]:
    measures = config.evaluate.measures.items()
    return {f"{k}.{DISTANCE}": v for k, v in measures if isinstance(v, DomainGapSettings)}


def _distances(cells: Sequence[Cell], gap: str, baseline: str) -> dict[str, float]:
    """Return the distance of every target in the dense network of the baseline."""
    by_transfer: dict[str, list[float]] = {}
    for cell in cells:
        if (cell["draw"], cell["objective"]) == (DENSE, baseline) and gap in cell["measures"]:
            by_transfer.setdefault(cell["transfer"], []).append(cell["measures"][gap]["value"])
    return {transfer: math.fsum(each) / len(each) for transfer, each in by_transfer.items()}


def _reading(gap: str, key: tuple[Any, ...], targets: list[dict[str, Any]]) -> dict[str, Any]:
    targets = sorted(targets, key=lambda each: each["distance"])
    x, y = (np.array([each[name] for each in targets]) for name in ("distance", "gain"))
    names = ("mode", "metric", "draw", "sparsity", "objective")
    found = rank_correlation(x, y)._asdict()
    del found["pairs"]
    about = dict(zip(names, key, strict=True))
    return {"gap": gap, **about, "targets": targets, **found, "p_holm": None}
