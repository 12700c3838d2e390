"""Which tickets of a study match: the criteria of `rtickets.evaluation.matching` on its cells."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from rtickets.draw.controls import OTHER_WEIGHTS
from rtickets.evaluation.matching import (
    CRITERIA,
    Criterion,
    Known,
    Level,
    double_win,
    highest,
    is_known,
    level,
    matches,
    together,
)
from rtickets.settings import config_files
from rtickets.stages.points import CLEAN, DENSE, Point, metrics_of, point_of
from rtickets.stages.settings import TransferConfig
from rtickets.stages.study_settings import StudyConfig

Cell = Mapping[str, Any]
_OF_TICKET = ("objective", "draw", "metric")


class Scores(NamedTuple):
    """The headline of a study at every point, clean and under attacks.

    Attributes:
        levels: over seeds.
        seeds: of every point.
        higher: whether higher is better, of every point.
    """

    levels: Mapping[Point, Level]
    seeds: Mapping[Point, frozenset[int]]
    higher: Mapping[Point, bool]

    def dense(self, point: Point) -> Level | None:
        """Return the level of the dense network of a point."""
        return self.levels.get(_dense(point))

    def match(self, point: Point, reference: Point, criterion: Criterion) -> bool | None:
        """Return whether a point matches another, None where that cannot be said.

        It cannot where they are not of the same seeds: those that failed may be the worst ones.
        """
        if self.seeds[point] != self.seeds[reference]:
            return None
        found, other = self.levels[point], self.levels[reference]
        return matches(found.mean, other, criterion, self.higher[point])


def matching(cells: Sequence[Cell], config: StudyConfig) -> dict[str, list[dict[str, Any]]]:
    """Return what tickets of a study match, {} where it has no dense network to compare with.

    Args:
        cells: of the study.
        config: of the study.

    Returns:
        Lists of dictionaries that JSON can hold:

        - `tickets`: of every point its level, that of the dense network (`dense_*`), `strict` and
          `within_std`, None where means of other seeds leave it open, and the same of the best
          ticket that was drawn on the task itself (`own`, its label, None where there is none or
          it is one itself);
        - `highest`: the highest matching sparsity of every ticket and transfer;
        - `universal`: the same for all transfers of a kind together;
        - `double_wins`: the same for a natural and an adversarial transfer to the same data.

        The last three name `against` ('dense' or 'own') where there is a choice, the `criterion`,
        and whether the ticket's weights are those of the pretrained network as `winning`; their
        `sparsity` is None where none matches, and they are left out where that is not known.
    """
    scores = scores_of(cells)
    points = [p for p in scores.levels if p.draw != DENSE and scores.dense(p) is not None]
    tickets = [_ticket(scores, point, config) for point in points]
    if not tickets:
        return {}
    winning = {label: inherits(draw) for label, draw in config.draws.items()}
    parts = {
        "highest": _highest(tickets),
        "universal": _universal(tickets, config),
        "double_wins": _double_wins(tickets, config),
    }
    named = {
        name: [{**each, "winning": winning[each["draw"]]} for each in part]
        for name, part in parts.items()
    }
    return {"tickets": tickets, **named}


def scores_of(cells: Iterable[Cell]) -> Scores:
    """Return the scores of the cells of a study."""
    values: dict[Point, dict[int, float]] = {}
    higher: dict[Point, bool] = {}
    for cell in cells:
        for metric, found in metrics_of(cell).items():
            point = point_of(metric, cell)
            values.setdefault(point, {})[cell["seed"]] = float(found["value"])
            higher[point] = bool(found["higher_is_better"])
    levels = {point: level(each.values()) for point, each in values.items()}
    return Scores(levels, {point: frozenset(each) for point, each in values.items()}, higher)


def _dense(point: Point) -> Point:
    return point._replace(draw=DENSE, sparsity=0.0)


def inherits(draw: Any) -> bool:
    """Whether the tickets of a `DrawConfig` have the weights of the network they are drawn from."""
    return bool(draw.control not in OTHER_WEIGHTS and draw.method.inherits)


def _ticket(scores: Scores, point: Point, config: StudyConfig) -> dict[str, Any]:
    found, dense, own = scores.levels[point], scores.dense(point), _own(scores, point, config)
    assert dense is not None  # who asks has looked
    against = {"": _dense(point), "own_": own}
    verdicts = {
        f"{prefix}{criterion}": reference and scores.match(point, reference, criterion)
        for prefix, reference in against.items()
        for criterion in CRITERIA
    }
    of_dense = {f"dense_{name}": value for name, value in dense._asdict().items()}
    label = None if own is None else own.draw
    return {**point._asdict(), **found._asdict(), **of_dense, "own": label, **verdicts}


def _own(scores: Scores, point: Point, config: StudyConfig) -> Point | None:
    """Return the best of the tickets that were drawn on the task itself, at a sparsity."""
    task = config.transfers[point.transfer].data
    if config.draws[point.draw].data == task:
        return None
    labels = [label for label, draw in config.draws.items() if draw.data == task]
    found = [p for label in labels if (p := point._replace(draw=label)) in scores.levels]
    sign = 1 if scores.higher[point] else -1
    return max(found, key=lambda p: sign * scores.levels[p].mean, default=None)


def _known(tickets: Iterable[Mapping[str, Any]], against: str, criterion: Criterion) -> Known:
    """Return whether tickets match, by sparsity, where there is something to compare with."""
    prefix = "own_" if against == "own" else ""
    return {
        each["sparsity"]: each[f"{prefix}{criterion}"]
        for each in tickets
        if not prefix or each["own"] is not None
    }


def _grouped(
    tickets: Iterable[Mapping[str, Any]], *names: str
) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for each in tickets:
        groups.setdefault(tuple(each[name] for name in names), []).append(each)
    return groups


def _highest(tickets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = (*_OF_TICKET, "transfer")
    found = []
    for key, own in _grouped(tickets, *names).items():
        for against, criterion in product(("dense", "own"), CRITERIA):
            known = _known(own, against, criterion)
            about = dict(zip(names, key, strict=True))
            found += _line(about, known, against=against, criterion=criterion)
    return found


def _line(about: Mapping[str, Any], known: Known, **more: Any) -> list[dict[str, Any]]:
    """Return the line of a table, none where nothing is known."""
    return [{**about, **more, "sparsity": highest(known)}] if is_known(known) else []


def _universal(tickets: Sequence[Mapping[str, Any]], config: StudyConfig) -> list[dict[str, Any]]:
    found = []
    for transfers in _alike(config.transfers):
        on_these = [each for each in tickets if each["transfer"] in transfers]
        for key, own in _grouped(on_these, *_OF_TICKET).items():
            by_transfer = _grouped(own, "transfer")
            if len(by_transfer) < len(transfers):
                continue
            for against, criterion in product(("dense", "own"), CRITERIA):
                each = [_known(part, against, criterion) for part in by_transfer.values()]
                about = {**dict(zip(_OF_TICKET, key, strict=True)), "transfers": list(transfers)}
                found += _line(about, together(each), against=against, criterion=criterion)
    return found


def _alike(transfers: Mapping[str, TransferConfig]) -> list[tuple[str, ...]]:
    """Return transfers in groups that differ in the task alone, of two tasks or more."""
    groups: dict[Any, list[str]] = {}
    for label, transfer in transfers.items():
        data = transfer.data
        limit = data.train_examples, data.train_fraction, data.train_per_class
        how = transfer.mode, transfer.train.objective.name, transfer.train.select, *limit
        groups.setdefault(how, []).append(label)
    several = [
        tuple(labels)
        for labels in groups.values()
        if len({transfers[label].data for label in labels}) == len(labels) > 1
    ]
    return several


def pairs_of(config: StudyConfig) -> list[tuple[str, str]]:
    """Return the transfers (natural, adversarial) to the same data in the same mode, by label."""
    kinds: dict[str, list[str]] = {"natural": [], "adversarial": []}
    for label, transfer in config.transfers.items():
        objective = transfer.train.objective
        if objective.attack is not None:
            kinds["adversarial"].append(label)
        elif not objective.changes_inputs:
            kinds["natural"].append(label)
    return [
        (natural, robust)
        for natural, robust in product(kinds["natural"], kinds["adversarial"])
        if _same_target(config.transfers[natural], config.transfers[robust])
    ]


def _same_target(one: TransferConfig, other: TransferConfig) -> bool:
    both = [config_files.to_dict(each.data) for each in (one, other)]
    return both[0] == both[1] and one.mode == other.mode


def _double_wins(tickets: Sequence[Mapping[str, Any]], config: StudyConfig) -> list[dict[str, Any]]:
    found = []
    by_point = _grouped(tickets, "objective", "draw", "transfer", "metric")
    labels = list(_grouped(tickets, "objective", "draw"))
    for (natural, robust), attack in product(pairs_of(config), config.evaluate.attacks):
        asked = ((natural, CLEAN), (robust, CLEAN), (robust, attack))
        for key in labels:
            parts = [by_point.get((*key, *each), []) for each in asked]
            about = dict(zip(("objective", "draw"), key, strict=True))
            about |= {"natural": natural, "robust": robust, "attack": attack}
            about["selected"] = config.transfers[robust].train.select
            for criterion in CRITERIA:
                sa, robust_sa, ra = (_known(part, "dense", criterion) for part in parts)
                known = double_win(sa, robust_sa, ra)
                each = zip(("sa", "robust_sa", "ra"), (sa, robust_sa, ra), strict=True)
                limits = {f"{name}_sparsity": highest(part) for name, part in each}
                found += _line(about, known, criterion=criterion, **limits)
    return found
