"""Which groups live: those with the largest scores, as many as a budget allows.

Groups that were dead before are ranked last, with a score of -inf. A budget that would wake one of
them is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from rtickets.draw.criteria import Scores
from rtickets.draw.floors import held
from rtickets.errors import InputError
from rtickets.masks.budget import erk_densities, share_out, survivors
from rtickets.masks.patterns import (
    Pattern,
    expand,
    group_sizes,
    keep_n_of_m,
    living_groups,
    runs_of_inputs,
)
from rtickets.masks.topk import top_k

Scope = Literal["global", "uniform", "erk"]


class Ranking(NamedTuple):
    """Groups that were ranked against each other, row by row.

    Attributes:
        name: the layer they are of, '' for all layers together.
        scores: float (rows, groups), -inf where dead before.
        keep: bool of the same shape.
    """

    name: str
    scores: np.ndarray
    keep: np.ndarray


class Kept(NamedTuple):
    """What lives, and how that was decided.

    Attributes:
        masks: bool arrays of the layers' shapes.
        groups: bool arrays of the layers' groups.
        scores: their scores, -inf where dead before.
        rankings: what was ranked against each other.
    """

    masks: Scores
    groups: Scores
    scores: Scores
    rankings: list[Ranking]


def keep_best(
    scores: Scores,
    alive: Scores,
    pattern: Pattern,
    scope: Scope,
    sparsity: float,
    least: Mapping[str, int] | None = None,
) -> Kept:
    """Keep the groups with the largest scores.

    Args:
        scores: what `rtickets.draw.criteria.groups.of_groups` returns, by layer.
        alive: bool arrays of the layers' shapes, of the weights that were alive before.
        sparsity: removed fraction, counted from the dense network.
        least: groups of every layer that live in any case, of scope 'global'.

    Raises:
        InputError: if the pattern does not fit a layer, or the living do not fit the pattern or are
            too few, or less than the least of all layers are to live.
    """
    if pattern.name == "n:m":
        return _keep_n_of_m(scores, alive, pattern)
    lives = {path: _whole_groups(path, mask, pattern) for path, mask in alive.items()}
    ranked = {path: np.where(lives[path], score, -np.inf) for path, score in scores.items()}
    if scope == "global":
        sizes = {path: group_sizes(mask.shape, pattern).ravel() for path, mask in alive.items()}
        parts, rankings = _keep_together(ranked, sizes, sparsity, least)
    else:
        # Layer by layer the number is known before, so that ranking within each is enough.
        kept = budgets(alive, lives, scope, sparsity)
        parts = {path: top_k(score.ravel(), kept[path]) for path, score in ranked.items()}
        rankings = [Ranking(p, ranked[p].reshape(1, -1), part[None]) for p, part in parts.items()]
    groups = {path: part.reshape(lives[path].shape) for path, part in parts.items()}
    # Ranked last, the dead are kept only where the budget is larger than what lives.
    for path, part in groups.items():
        if (part & ~lives[path]).any():
            raise InputError(too_few(path, sparsity))
    whole = {path: expand(part, alive[path].shape, pattern) for path, part in groups.items()}
    return Kept(whole, groups, ranked, rankings)


def _keep_together(
    ranked: Scores, sizes: Scores, sparsity: float, least: Mapping[str, int] | None
) -> tuple[dict[str, np.ndarray], list[Ranking]]:
    """Rank the groups of all layers together, but for layers that would keep less than a least."""
    # Budgets are of weights, which groups at edges have fewer of.
    every, budget = budget_of(np.concatenate(list(sizes.values())), sparsity)
    ends = np.cumsum([score.size for score in ranked.values()])[:-1]
    sizes = dict(zip(ranked, np.split(every, ends), strict=True))

    def among(paths: Sequence[str], budget: int) -> tuple[dict[str, np.ndarray], Ranking]:
        flat = np.concatenate([ranked[path].ravel() for path in paths])
        keep = keep_within_budget(flat, np.concatenate([sizes[path] for path in paths]), budget)
        ends = np.cumsum([ranked[path].size for path in paths])[:-1]
        return dict(zip(paths, np.split(keep, ends), strict=True)), Ranking(
            "", flat[None], keep[None]
        )

    if least is None:
        parts, ranking = among(list(ranked), budget)
        return parts, [ranking]
    own = {path: top_k(ranked[path].ravel(), number) for path, number in least.items()}
    costs = {path: int(sizes[path][part].sum()) for path, part in own.items()}
    short = held(
        least, costs, budget,
        lambda paths, left: {path: int(p.sum()) for path, p in among(paths, left)[0].items()},
    )  # fmt: skip
    rankings = [Ranking(p, ranked[p].reshape(1, -1), own[p].reshape(1, -1)) for p in short]
    free = [path for path in ranked if path not in short]
    if free:
        parts, ranking = among(free, budget - sum(costs[path] for path in short))
        own, rankings = {**own, **parts}, [ranking, *rankings]
    return own, rankings


def too_few(path: str, sparsity: float) -> str:
    """Say that a start has less of a layer than is to live."""
    return (
        f"sparsity={sparsity} keeps more of {path} than its start has left; "
        "ask for a higher sparsity or draw from the dense network"
    )


def _whole_groups(path: str, alive: np.ndarray, pattern: Pattern) -> np.ndarray:
    """Return which groups live; a group that lives in part would be counted as a whole one."""
    lives, parts = living_groups(alive, pattern)
    if parts:
        raise InputError(
            f"{parts:,} of {lives.size:,} groups of {path} are alive in part, so the start is not "
            f"of pattern='{pattern}'; draw with the start's own pattern or from the dense network"
        )
    return lives


def check_runs(shapes: Mapping[str, tuple[int, ...]], pattern: Pattern) -> None:
    """Refuse layers (space..., inputs, outputs) whose inputs do not divide into runs of N:M."""
    for path, shape in shapes.items():
        if shape[-2] % pattern.sizes[1]:
            raise InputError(
                f"pattern='{pattern}' does not fit {path} of shape {shape}: its {shape[-2]} inputs "
                f"are no multiple of {pattern.sizes[1]}; exclude it"
            )


def _keep_n_of_m(scores: Scores, alive: Scores, pattern: Pattern) -> Kept:
    n, m = pattern.sizes
    check_runs({path: score.shape for path, score in scores.items()}, pattern)
    ranked, keep, rankings = {}, {}, []
    for path, score in scores.items():
        ranked[path] = np.where(alive[path], score, -np.inf)
        keep[path] = keep_n_of_m(ranked[path], n, m)
        rankings.append(
            Ranking(path, runs_of_inputs(ranked[path], m), runs_of_inputs(keep[path], m))
        )
        short = int((runs_of_inputs(alive[path], m).sum(1) < n).sum())
        if short:
            raise InputError(
                f"pattern='{n}:{m}' keeps {n} of every {m} inputs, and its start has fewer left in "
                f"{short:,} places of {path}; draw from a denser start or from the dense network"
            )
    return Kept(keep, keep, ranked, rankings)


def budgets(
    alive: Mapping[str, np.ndarray],
    lives: Mapping[str, np.ndarray],
    scope: Scope,
    sparsity: float,
) -> dict[str, int]:
    """Return how many groups every layer keeps, of which `lives` tells which were alive before."""
    totals = {path: live.size for path, live in lives.items()}
    if scope == "uniform":
        return {path: survivors(total, sparsity) for path, total in totals.items()}
    kept = share_out(totals, erk_densities(alive, sparsity), sparsity)
    return _within_one(kept, {path: int(live.sum()) for path, live in lives.items()})


def _within_one(kept: dict[str, int], living: dict[str, int]) -> dict[str, int]:
    """Give a group that rounding finds in a layer without one left to the layer with most left.

    Remainders of two sparsities order the layers differently, so a start of almost the same
    sparsity can lack one group in a layer.
    """
    kept = dict(kept)
    for path in [path for path in kept if kept[path] == living[path] + 1]:
        roomy = max(kept, key=lambda other: living[other] - kept[other])
        if kept[roomy] < living[roomy]:
            kept[path] -= 1
            kept[roomy] += 1
    return kept


def budget_of(sizes: np.ndarray, sparsity: float) -> tuple[np.ndarray, int]:
    """Return sizes of groups and the budget in one unit: groups where all are of one size."""
    sizes = np.ones_like(sizes) if (sizes == sizes[0]).all() else sizes
    return sizes, survivors(int(sizes.sum()), sparsity)


def keep_within_budget(scores: np.ndarray, sizes: np.ndarray, budget: int) -> np.ndarray:
    """Mark the best groups whose sizes fit into the budget, and the very best in any case.

    Dead groups, those of score -inf, are not marked for a rest of the budget that one group more
    would have exceeded when they died.
    """
    if (sizes == sizes[0]).all():
        return top_k(scores, budget // int(sizes[0]))
    best_first = np.argsort(-scores, kind="stable")
    fits = np.cumsum(sizes[best_first]) <= budget
    keep = np.zeros(scores.size, bool)
    keep[best_first[fits]] = True
    keep[best_first[0]] = True
    lives = scores > -np.inf
    return keep & lives if budget - sizes[lives].sum() < sizes.max() else keep
