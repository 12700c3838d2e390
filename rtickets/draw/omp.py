"""One-shot pruning: a ticket from the scores of the pretrained weights.

Thresholds are found on the host. Selection by `np.partition` is linear, exact and the same on every
machine, and it runs once per ticket, so there is nothing to gain from doing it on the device.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import jax
import numpy as np

from rtickets import masks
from rtickets.criteria import Criterion, Scores, magnitude, prunable_leaves
from rtickets.criteria.groups import check_scores, of_groups, random_groups
from rtickets.draw.budget import erk_densities, share_out, survivors
from rtickets.errors import InputError
from rtickets.layout_names import layouts_of
from rtickets.layouts import join, split, split_shapes
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.patterns import (
    GroupNorm,
    Pattern,
    expand,
    group_scores,
    group_sizes,
    keep_n_of_m,
    parse_pattern,
)

Scope = Literal["global", "uniform", "erk"]


def draw_omp(
    params: Params,
    sparsity: float,
    pattern: str = "element",
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
    *,
    scores: Any | None = None,
    group_norm: GroupNorm = "l1",
    seed: int = 0,
    start: Mask | None = None,
    layouts: Mapping[str, str] | None = None,
) -> Mask:
    """Draw a mask in one shot: the groups of weights with the smallest scores die.

    Args:
        params: pytree of weights.
        sparsity: fraction of the prunable weights to remove, in [0, 1).
        pattern: what lives or dies together: 'element', 'row', 'kernel', 'channel', 'block:AxB' or
            'N:M', see `rtickets.patterns`.
        scope: 'global' ranks all groups together; 'uniform' gives every layer the same sparsity;
            'erk' gives small layers a smaller one (Evci et al. 2020). A layer is a leaf, or a copy
            of a stack.
        criterion: the score of a weight: 'magnitude', its absolute value, or 'random'.
        prunable: regular expression that the path of a prunable leaf must match.
        exclude: regular expression of leaves to leave alone, for instance the stem.
        scores: scores of the weights in the place of a criterion, such as those of
            `rtickets.criteria.snip`: arrays of the weights' shapes, by path or as a pytree of the
            structure of `params`. Leaves that are not prunable are not read.
        group_norm: the score of a group: mean ('l1') or root mean square ('l2') of its weights';
            the latter is for scores that are not negative.
        seed: of the random criterion.
        start: mask of weights that are pruned already and stay so; `sparsity` still counts from the
            dense network.
        layouts: what the axes of kernels are, by regular expressions that match whole paths, such
            as {'.*/out/kernel': 'iio'}, where that cannot be inferred; see `rtickets.layout_names`.

    Returns:
        A mask of the structure of `params`. With groups of one size exactly
        `survivors(number of groups, sparsity)` live, over all layers ('global', 'erk') or in each
        ('uniform'). Where sizes differ, 'global' keeps the best groups as long as they fit into the
        budget of weights, and at least one. Ties go to the lower index.

    Raises:
        InputError: for a sparsity outside [0, 1), an unknown option, weights or scores that are not
            finite, scores that do not fit, an expression that matches nothing, a pattern that does
            not fit, a pattern but 'element' or a scope 'erk' on a kernel of unknown layout, or a
            `start` that is sparser than asked.
    """
    parsed = check_pattern(pattern, sparsity)
    _check_option("scope", scope, get_args(Scope))
    _check_option("criterion", criterion, get_args(Criterion))
    _check_option("group_norm", group_norm, get_args(GroupNorm))
    weights = prunable_leaves(params, prunable, exclude)
    shapes = {path: np.shape(leaf) for path, leaf in weights.items()}
    seen = layouts_of(params, weights, layouts, layouts_needed_by(pattern, scope))
    before = masks.leaf_paths(start) if start is not None else {}
    alive = {
        path: np.broadcast_to(np.asarray(before.get(path, True)), shape)
        for path, shape in shapes.items()
    }
    lives = split(alive, seen)
    if scores is not None:
        if criterion != "magnitude":
            raise InputError(f"criterion={criterion!r} and scores exclude each other; give one")
        groups = of_groups(split(check_scores(scores, weights), seen), parsed, group_norm)
    elif criterion == "random":
        groups = random_groups(split_shapes(shapes, seen), parsed, seed)
    else:
        groups = of_groups(split(magnitude(weights), seen), parsed, group_norm)
    if parsed.name == "n:m":
        keep = _keep_n_of_m(groups, lives, parsed)
    else:
        keep = _keep_groups(groups, lives, parsed, scope, sparsity)
    keep = {path: mask & alive[path] for path, mask in join(keep, shapes, seen).items()}
    paths = masks.leaf_paths(params)
    leaves = [keep.get(path, before.get(path, np.ones((), bool))) for path in paths]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def layouts_needed_by(pattern: str, scope: str) -> str | None:
    """Name the option that needs the layout of every kernel, None where none does."""
    if pattern != "element":
        return f"pattern={pattern!r}"
    return "scope='erk'" if scope == "erk" else None


def check_pattern(pattern: str, sparsity: float) -> Pattern:
    """Parse a pattern and check that a sparsity can be drawn with it.

    Args:
        pattern: see `draw_omp`.
        sparsity: removed fraction.

    Returns:
        The parsed pattern.

    Raises:
        InputError: for an unknown pattern, a sparsity outside [0, 1), or one that N:M cannot give.
    """
    parsed = parse_pattern(pattern)
    survivors(0, sparsity)
    if parsed.name == "n:m":
        n, m = parsed.sizes
        if abs(sparsity - (1 - n / m)) > 1e-6:
            raise InputError(f"pattern={pattern!r} removes {1 - n / m:g}, not sparsity={sparsity}")
    return parsed


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Mark the k largest of a flat array of scores, ties going to the lower index.

    Args:
        scores: float array (n,).
        k: how many to mark, in [0, n].

    Returns:
        A boolean array (n,) with exactly k True entries.
    """
    if k <= 0 or k >= scores.size:
        return np.full(scores.shape, k > 0)
    threshold = np.partition(scores, scores.size - k)[scores.size - k]
    keep = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    keep[ties[: k - int(keep.sum())]] = True
    return keep


def _check_option(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{field}={value!r} is unknown; choose one of {', '.join(known)}")


def _keep_n_of_m(scores: Scores, alive: Scores, pattern: Pattern) -> Scores:
    n, m = pattern.sizes
    for path, score in scores.items():
        if score.shape[-2] % m:
            raise InputError(
                f"pattern='{n}:{m}' does not fit {path} of shape {score.shape}: its "
                f"{score.shape[-2]} inputs are no multiple of {m}; exclude it"
            )
    scores = {path: np.where(alive[path], score, -np.inf) for path, score in scores.items()}
    return {path: keep_n_of_m(score, n, m) for path, score in scores.items()}


def _keep_groups(
    groups: Scores, alive: Scores, pattern: Pattern, scope: Scope, sparsity: float
) -> Scores:
    lives = {
        path: group_scores(mask.astype(np.float32), pattern) > 0 for path, mask in alive.items()
    }
    groups = {path: np.where(lives[path], group, -np.inf) for path, group in groups.items()}
    if scope == "global":
        sizes = [group_sizes(mask.shape, pattern).ravel() for mask in alive.values()]
        flat = np.concatenate([group.ravel() for group in groups.values()])
        keep = _keep_within_budget(flat, np.concatenate(sizes), sparsity)
        ends = np.cumsum([group.size for group in groups.values()])[:-1]
        parts = dict(zip(groups, np.split(keep, ends), strict=True))
    else:
        totals = {path: group.size for path, group in groups.items()}
        if scope == "uniform":
            kept = {path: survivors(total, sparsity) for path, total in totals.items()}
        else:
            kept = share_out(totals, erk_densities(alive, sparsity), sparsity)
            kept = _within_one(kept, {path: int(live.sum()) for path, live in lives.items()})
        parts = {path: top_k(group.ravel(), kept[path]) for path, group in groups.items()}
    for path, part in parts.items():
        if (part.reshape(lives[path].shape) & ~lives[path]).any():
            raise InputError(
                f"sparsity={sparsity} keeps more of {path} than its start has left; "
                "ask for a higher sparsity or draw from the dense network"
            )
    return {
        path: expand(part.reshape(groups[path].shape), alive[path].shape, pattern)
        for path, part in parts.items()
    }


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


def _keep_within_budget(scores: np.ndarray, sizes: np.ndarray, sparsity: float) -> np.ndarray:
    """Mark the best groups whose weights fit into the budget, and the very best in any case.

    Dead groups, those of score -inf, are not marked for a rest of the budget that one group more
    would have exceeded when they died.
    """
    if (sizes == sizes[0]).all():
        return top_k(scores, survivors(scores.size, sparsity))
    budget = survivors(int(sizes.sum()), sparsity)
    best_first = np.argsort(-scores, kind="stable")
    fits = np.cumsum(sizes[best_first]) <= budget
    keep = np.zeros(scores.size, bool)
    keep[best_first[fits]] = True
    keep[best_first[0]] = True
    lives = scores > -np.inf
    return keep & lives if budget - sizes[lives].sum() < sizes.max() else keep
