"""Learnable masks: scores of groups of frozen weights, turned into a mask at every step.

The forward pass keeps the groups with the largest scores; the backward pass treats the mask as if
it were the score itself (straight-through, as in Ramanujan et al. 2020). Scores are a flat
dictionary by path, so that they can be trained like any other parameters.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.patterns import expand, group_scores, group_sizes, parse_pattern

SCORES = "scores"  # the top-level entry of the parameters that holds them
Scores = dict[str, Any]
_SIGN_BIT = np.uint32(1 << 31)


@dataclass(frozen=True)
class LearnedMask:
    """How scores become a mask.

    Attributes:
        sparsity: removed fraction.
        pattern: what lives or dies together, any but n:m.
        scope: 'uniform' keeps the same share of the groups of every layer, 'global' ranks all
            together.
        ranking: by the 'magnitude' of the score, whose gradient carries its sign, or by the score
            as it is ('plain').
        prunable: regular expression of the paths of prunable leaves.
        exclude: regular expression of leaves to leave alone, or None.
    """

    sparsity: float
    pattern: str = "element"
    scope: Literal["uniform", "global"] = "uniform"
    ranking: Literal["magnitude", "plain"] = "magnitude"
    prunable: str = DEFAULT_PRUNABLE
    exclude: str | None = None


def initial_scores(
    settings: LearnedMask, params: Params, key: Array, start: Literal["magnitude", "kaiming"]
) -> Scores:
    """Return the scores that learning starts from.

    Args:
        settings: how scores become a mask.
        params: pytree of weights.
        key: PRNG key of the 'kaiming' start.
        start: the 'magnitude' of the group (its mean absolute weight), or 'kaiming', uniform with
            He et al.'s bound for a slope of sqrt(5), that is 1 / sqrt(fan in).

    Returns:
        float32 arrays of one score per group, keyed by path with '.' between its parts.

    Raises:
        InputError: for a pattern that learns no groups, or expressions that match nothing.
    """
    pattern = parse_pattern(settings.pattern)
    if pattern.name == "n:m":
        raise InputError(f"pattern={settings.pattern!r} has no groups to score; draw it by OMP")
    scores = {}
    for index, (path, leaf) in enumerate(_prunable(settings, params).items()):
        weights = np.asarray(leaf, np.float32)
        groups: Any = group_scores(np.abs(weights), pattern)
        if start == "kaiming":
            bound = max(math.prod(weights.shape[:-1]), 1) ** -0.5
            own = jax.random.fold_in(key, index)
            groups = jax.random.uniform(own, groups.shape, minval=-bound, maxval=bound)
        scores[_name(path)] = jnp.asarray(groups, jnp.float32)
    return scores


def mask_of(settings: LearnedMask, params: Params, scores: Mapping[str, Any]) -> Mask:
    """Return the mask that scores stand for.

    Args:
        settings: how scores become a mask.
        params: pytree of weights; only shapes are read.
        scores: what `initial_scores` returned, or what training made of it.

    Returns:
        A mask of the structure of `params`.
    """
    keep = living_groups(settings, params, scores)
    pattern = parse_pattern(settings.pattern)
    paths = masks.leaf_paths(params)
    leaves = [
        expand(keep[path], np.shape(leaf), pattern) if path in keep else jnp.ones((), bool)
        for path, leaf in paths.items()
    ]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def apply_scores(
    settings: LearnedMask,
    params: Params,
    scores: Mapping[str, Any],
    keep: Mapping[str, Array] | None = None,
) -> Params:
    """Return the masked weights, differentiable with respect to the scores.

    Args:
        settings: how scores become a mask.
        params: pytree of weights.
        scores: scores by name.
        keep: what `living_groups` returned for them, or None to find it here.

    Returns:
        The weights, exactly 0 where the mask of `mask_of` is False. The gradient of a score is the
        sum over its group of weight times gradient, times the score's sign for 'magnitude'.
    """
    if keep is None:
        keep = living_groups(settings, params, jax.lax.stop_gradient(scores))
    pattern = parse_pattern(settings.pattern)
    leaves = []
    for path, leaf in masks.leaf_paths(params).items():
        if path in keep:
            score = scores[_name(path)]
            soft = jnp.abs(score) if settings.ranking == "magnitude" else score
            gate = keep[path] + (soft - jax.lax.stop_gradient(soft))  # the bracket is exactly 0
            leaf = leaf * expand(gate, leaf.shape, pattern)
        leaves.append(leaf)
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def living_groups(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any]
) -> dict[str, Array]:
    """Find the groups that live; this is what a step spends on its mask, so it is done once.

    Args:
        settings: how scores become a mask.
        params: pytree of weights; only shapes are read.
        scores: scores by name.

    Returns:
        bool arrays in the shapes of the scores, by path.
    """
    pattern = parse_pattern(settings.pattern)
    leaves = _prunable(settings, params)
    rank = jnp.abs if settings.ranking == "magnitude" else jnp.asarray
    ranked = {path: rank(scores[_name(path)]) for path in leaves}
    values = list(ranked.values())
    if settings.scope == "uniform":
        alone = [[index] for index in range(len(values))]
        budgets = [_survivors(value.size, settings.sparsity) for value in values]
        found = _keep_in_rankings(values, [1] * len(values), alone, budgets)
        return dict(zip(ranked, found, strict=True))
    sizes = [group_sizes(np.shape(leaf), pattern) for leaf in leaves.values()]
    budget = _survivors(sum(int(size.sum()) for size in sizes), settings.sparsity)
    equal = len({int(s) for size in sizes for s in (size.min(), size.max())}) == 1
    if equal:
        budget = _survivors(sum(size.size for size in sizes), settings.sparsity)
    else:
        budget = max(budget, *(int(size.max()) for size in sizes))  # room for one group at least
    found = keep_largest(values, [1] * len(sizes) if equal else sizes, budget)
    return dict(zip(ranked, found, strict=True))


def keep_largest(
    values: Sequence[Array], sizes: Sequence[np.ndarray | int], budget: int, bits: int | None = None
) -> list[Array]:
    """Mark the largest of all values, as many as fit into a budget; ties go to the lower index.

    The smallest value that is kept is found digit by digit of its binary representation, on the
    device and without sorting.

    Args:
        values: float32 arrays, ranked together.
        sizes: what each value costs, an array of the value's shape or a number for all of it.
        budget: the largest total cost.
        bits: digits fixed at a time; None is 1 on CPU, where memory is slow, and 4 elsewhere, where
            starting a kernel is.

    Returns:
        bool arrays of the values' shapes; where all costs are 1, exactly `budget` entries are True.
    """
    return _keep_in_rankings(values, sizes, [list(range(len(values)))], [budget], bits)


def _keep_in_rankings(
    values: Sequence[Array],
    sizes: Sequence[np.ndarray | int],
    rankings: Sequence[Sequence[int]],
    budgets: Sequence[int],
    bits: int | None = None,
) -> list[Array]:
    """Do `keep_largest` in several rankings at once, each of the values with some indices."""
    if bits is None:
        bits = 1 if jax.default_backend() == "cpu" else 4
    codes = [_ordered(value).reshape(-1) for value in values]
    costs = [
        jnp.broadcast_to(jnp.asarray(size, jnp.int32), value.shape).reshape(-1)
        for size, value in zip(sizes, values, strict=True)
    ]
    digits = jnp.arange(1, 2**bits, dtype=jnp.uint32)[:, None]

    def total(ranking: Sequence[int], levels: Array) -> Array:
        """Return the cost of everything at or above each of some levels (L, 1), (L,)."""
        parts = [jnp.where(codes[i] >= levels, costs[i], 0).sum(1) for i in ranking]
        return sum(parts[1:], start=parts[0])

    def fix(index: Array, levels: list[Array]) -> list[Array]:
        shift = (32 - bits * (index + 1)).astype(jnp.uint32)
        enough = [
            total(ranking, level + (digits << shift)) >= budget
            for ranking, level, budget in zip(rankings, levels, budgets, strict=True)
        ]
        fixed = [each.sum(dtype=jnp.uint32) << shift for each in enough]
        return [level + digit for level, digit in zip(levels, fixed, strict=True)]

    levels = jax.lax.fori_loop(0, 32 // bits, fix, [jnp.uint32(0)] * len(rankings))
    level_of = {i: level for ranking, level in zip(rankings, levels, strict=True) for i in ranking}
    above = [code > level_of[i] for i, code in enumerate(codes)]
    tied = [jnp.where(code == level_of[i], costs[i], 0) for i, code in enumerate(codes)]
    left = [
        jnp.maximum(budget - sum(jnp.where(above[i], costs[i], 0).sum() for i in ranking), 0)
        for ranking, budget in zip(rankings, budgets, strict=True)
    ]
    filled = _fill(tied, left, rankings)
    return [
        (more | chosen).reshape(value.shape)
        for more, chosen, value in zip(above, filled, values, strict=True)
    ]


def _fill(tied: list[Array], left: list[Array], rankings: Sequence[Sequence[int]]) -> list[Array]:
    """Choose of the tied values of each ranking the first that fit; `tied` holds their costs."""

    def first(tied: list[Array], left: list[Array]) -> list[Array]:
        chosen = {}
        for ranking, room in zip(rankings, left, strict=True):
            for i in ranking:
                chosen[i] = (tied[i] > 0) & (jnp.cumsum(tied[i]) <= room)
                room = room - jnp.where(chosen[i], tied[i], 0).sum()
        return [chosen[i] for i in range(len(tied))]

    def every(tied: list[Array], left: list[Array]) -> list[Array]:
        return [cost > 0 for cost in tied]

    fits = [
        sum(tied[i].sum() for i in ranking) <= room
        for ranking, room in zip(rankings, left, strict=True)
    ]
    # sums over prefixes are slow, and ties that do not fit are rare once scores have been trained
    return jax.lax.cond(jnp.stack(fits).all(), every, first, tied, left)


def _ordered(values: Array) -> Array:
    """Return unsigned integers in the order of float32 values; both zeros are alike.

    In integers throughout: arithmetic on floats treats zeros and denormals as the compiler likes.
    """
    bits = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.uint32)
    bits = jnp.where(bits == _SIGN_BIT, 0, bits)
    return jnp.where(bits >= _SIGN_BIT, ~bits, bits | _SIGN_BIT)


def _survivors(total: int, sparsity: float) -> int:
    return max(total - round(total * sparsity), 1)


def _prunable(settings: LearnedMask, params: Params) -> dict[str, Any]:
    chosen = masks.leaf_paths(masks.select(params, settings.prunable, settings.exclude))
    return {path: leaf for path, leaf in masks.leaf_paths(params).items() if chosen[path]}


def _name(path: str) -> str:
    return path.replace("/", ".")
