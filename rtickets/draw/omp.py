"""One-shot pruning: a ticket from the scores of the pretrained weights.

Everything that draws takes the arguments of `draw_omp`, and means the same by them.
"""

from collections.abc import Mapping
from typing import Any, get_args

import jax
import numpy as np

from rtickets import masks
from rtickets.draw.criteria import CRITERIA, Criterion, magnitude
from rtickets.draw.criteria.groups import check_scores, of_groups, random_groups
from rtickets.draw.elements import keep_best_elements
from rtickets.draw.floors import check_floor, least_of
from rtickets.draw.linked import Linked, check_linked, keep_linked
from rtickets.draw.ranking import Scope, check_runs, keep_best
from rtickets.draw.ties import Say, check_scores_tell, warn
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.masks.arguments import check_integer
from rtickets.masks.budget import survivors
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import join, split, split_shapes
from rtickets.masks.ordered import known, real
from rtickets.masks.patterns import GroupNorm, Pattern, living_groups, parse_pattern
from rtickets.masks.prunable import prunable_leaves


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
    linked: Linked | None = None,
    floor: float = 0.0,
    floor_of: Mask | None = None,
    say: Say = warn,
) -> Mask:
    """Draw a mask in one shot: the groups of weights with the smallest scores die.

    Args:
        params: pytree of weights.
        sparsity: fraction of the prunable weights to remove, in [0, 1).
        pattern: what lives or dies together: 'element', 'row', 'kernel', 'channel',
            'channel_linked', 'block:AxB' or 'N:M', see `rtickets.masks.patterns`.
        scope: 'global' ranks all groups together; 'uniform' gives every layer the same sparsity;
            'erk' gives small layers a smaller one (Evci et al. 2020). A layer is a leaf, or a copy
            of a stack.
        criterion: the score of a weight: 'magnitude', its absolute value, or 'random'.
        prunable: regular expression that the path of a prunable leaf must match.
        exclude: regular expression of leaves to leave alone, for instance the stem.
        scores: scores of the weights in the place of a criterion, such as those of
            `rtickets.draw.criteria.snip`: arrays of the weights' shapes, by path or as a pytree of
            the structure of `params`. What is not prunable, or dead already, is not read.
        group_norm: the score of a group: mean ('l1') or root mean square ('l2') of its weights';
            the latter is for scores that are not negative.
        seed: of the random criterion.
        start: mask of weights that are pruned already and stay so; `sparsity` still counts from the
            dense network. Its groups are alive or dead as a whole. Leaves that are not prunable
            here keep the mask that they had, and do not count.
        layouts: what the axes of kernels are, by regular expressions that match whole paths, such
            as {'.*/out/kernel': 'iio'}, where that cannot be inferred; see
            `rtickets.masks.layout_names`.
        linked: for 'channel_linked', which channels go together, of
            `rtickets.tickets.compaction.linked_channels`.
        floor: the part of the weights or groups of every layer that live before the draw which
            lives on in any case, rounded up, so that scope 'global' kills no layer.
        floor_of: the mask that tells which these are, where it is not `start`.
        say: is told in one line each what does not stop the draw: scores that are alike and leave
            the choice to the index, leaves that keep a mask. By default a `DrawWarning`.

    Returns:
        A mask of the structure of `params`. With groups of one size exactly
        `survivors(number of groups, sparsity)` live, over all layers ('global', 'erk') or in each
        ('uniform'). Where sizes differ, 'global' keeps the best groups as long as they fit into the
        budget of weights, and at least one; its start may lack less than one group of them. Ties go
        to the lower index.

    Raises:
        InputError: for a sparsity outside [0, 1), an unknown option, weights or scores that are not
            finite, scores that do not fit or are all alike, an expression that matches nothing, a
            pattern that does not fit, a pattern but 'element' or a scope 'erk' on a kernel of
            unknown layout, or a `start` that is no mask of `params`, no whole groups, or sparser
            than asked, or a floor outside [0, 1), that the sparsity has no room for, or where
            layers have budgets of their own.
    """
    check_floor(floor, pattern, scope)
    parsed = check_pattern(pattern, sparsity)
    _check_option("scope", scope, get_args(Scope))
    _check_option("criterion", criterion, get_args(Criterion))
    _check_option("group_norm", group_norm, get_args(GroupNorm))
    # Everything is refused before the first array is touched.
    check_integer("seed", seed, 0)
    weights = prunable_leaves(params, prunable, exclude)
    shapes = {path: np.shape(leaf) for path, leaf in weights.items()}
    seen = layouts_of(params, weights, layouts, layouts_needed_by(pattern, scope))
    before = alive_before(params, start)
    alive = {path: np.broadcast_to(before[path], shape) for path, shape in shapes.items()}
    if scores is not None and criterion != "magnitude":
        raise InputError(f"criterion={criterion!r} and scores exclude each other; give one")
    linked = _linked(linked, parsed, shapes, scope, criterion)
    given = None if scores is None else check_scores(scores, weights)
    least = None
    if floor:
        lived = before if floor_of is None else alive_before(params, floor_of)
        whole = {path: np.broadcast_to(lived[path], shape) for path, shape in shapes.items()}
        groups_of = {p: living_groups(m, parsed)[0] for p, m in split(whole, seen).items()}
        least = least_of({path: int(each.sum()) for path, each in groups_of.items()}, floor)
    if parsed.name == "element" and criterion != "random":
        own = given or {path: known(path, leaf) for path, leaf in weights.items()}
        found = keep_best_elements(
            split(own, seen), None if start is None else split(alive, seen), scope, sparsity, say,
            absolute=given is None, squared=group_norm == "l2", least=least,
        )  # fmt: skip
    else:
        if criterion == "random":
            groups = random_groups(split_shapes(shapes, seen), parsed, seed)
        else:
            own = magnitude(weights) if given is None else {p: real(p, s) for p, s in given.items()}
            # 0 where dead, whatever the score: a group's mean would take it in.
            living = {path: np.where(alive[path], score, 0) for path, score in own.items()}
            groups = of_groups(split(living, seen), parsed, group_norm)
        if linked is not None:
            kept = keep_linked(living, alive, linked, sparsity, squared=group_norm == "l2")
        else:
            kept = keep_best(groups, split(alive, seen), parsed, scope, sparsity, least)
        check_scores_tell(kept, parsed, say)
        found = kept.masks
    # A group lives as a whole; of what was dead before, nothing returns.
    keep = {path: mask & alive[path] for path, mask in join(found, shapes, seen).items()}
    return _mask_of(params, keep, before, say)


def _linked(
    linked: Linked | None, parsed: Pattern, shapes: Mapping[str, Any], scope: str, criterion: str
) -> Linked | None:
    """Return which channels go together, None of other patterns than 'channel_linked'."""
    if parsed.name != "channel_linked":
        if linked is not None:
            raise InputError(
                f"linked is for pattern='channel_linked', not {str(parsed)!r}; leave it out"
            )
        return None
    if scope != "global" or criterion == "random":
        raise InputError(
            f"pattern='channel_linked' takes scope='global' and no random scores, not "
            f"scope={scope!r} and criterion={criterion!r}; its groups are of several layers"
        )
    return check_linked(linked, shapes)


def alive_before(params: Params, start: Mask | None) -> dict[str, np.ndarray]:
    """Return which weights live before a draw: the leaves of `start` by path, or single Trues."""
    if start is None:
        return dict.fromkeys(masks.leaf_paths(params), np.ones((), bool))
    try:
        masks.check(start, params)
    except InputError as error:
        raise InputError(f"start: {error}") from None
    return {path: np.asarray(leaf) for path, leaf in masks.leaf_paths(start).items()}


def removed_before(
    params: Params, start: Mask | None, prunable: str = DEFAULT_PRUNABLE, exclude: str | None = None
) -> float:
    """Return the fraction of the prunable weights that is dead before a draw, in [0, 1]."""
    alive, weights = alive_before(params, start), prunable_leaves(params, prunable, exclude)
    living = sum(np.broadcast_to(alive[path], leaf.shape).sum() for path, leaf in weights.items())
    return float(1 - living / sum(leaf.size for leaf in weights.values()))


def _mask_of(
    params: Params, keep: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], say: Say
) -> Mask:
    """Put a mask together; what is not prunable and was not pruned is a single True."""
    leaves = []
    for path in masks.leaf_paths(params):
        leaf = keep.get(path, before[path])
        if path not in keep and leaf.all():
            leaf = np.ones((), bool)
        elif path not in keep:
            say(
                f"{path} is not prunable here and keeps the {int((~leaf).sum()):,} of "
                f"{leaf.size:,} weights dead that its start has removed; sparsity does not count it"
            )
        leaves.append(leaf)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def layouts_needed_by(pattern: str, scope: str) -> str | None:
    """Name the option that needs the layout of every kernel, None where none does."""
    if pattern != "element":
        return f"pattern={pattern!r}"
    return "scope='erk'" if scope == "erk" else None


def check_kernels(
    params: Params,
    pattern: str,
    scope: str,
    prunable: str,
    exclude: str | None,
    layouts: Mapping[str, str] | None,
) -> None:
    """Check that kernels can be drawn from, which their shapes tell before there are weights.

    Args:
        params: pytree of anything with shapes.

    Raises:
        InputError: for an expression that matches nothing, an unknown layout where one is needed,
            or inputs that N:M does not divide.
    """
    parsed = parse_pattern(pattern)
    weights = prunable_leaves(params, prunable, exclude)
    seen = layouts_of(params, weights, layouts, layouts_needed_by(pattern, scope))
    shapes = {path: np.shape(leaf) for path, leaf in weights.items()}
    if parsed.name == "n:m":
        check_runs(split_shapes(shapes, seen), parsed)


def check_pattern(pattern: str, sparsity: float) -> Pattern:
    """Parse a pattern and check that a sparsity in [0, 1) can be drawn with it."""
    parsed = parse_pattern(pattern)
    survivors(0, sparsity)
    if parsed.name == "n:m":
        n, m = parsed.sizes
        if abs(sparsity - (1 - n / m)) > 1e-6:
            raise InputError(f"pattern={pattern!r} removes {1 - n / m:g}, not sparsity={sparsity}")
    return parsed


def _check_option(field: str, value: str, known: tuple[str, ...]) -> None:
    if value in known:
        return
    if field == "criterion" and value in CRITERIA:
        how = f"scores=rtickets.criteria.{value}(...)"
        raise InputError(f"criterion={value!r} takes more than the weights here: give {how}")
    raise InputError(f"{field}={value!r} is unknown; choose one of {', '.join(known)}")
