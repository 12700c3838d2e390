"""Learnable masks: scores of groups of frozen weights, turned into a mask at every step.

The forward pass keeps the groups with the largest scores; the backward pass treats the mask as if
it were the score itself (straight-through, as in Ramanujan et al. 2020). Scores are a flat
dictionary by path, so that they can be trained like any other parameters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import masks
from rtickets.errors import InputError
from rtickets.largest import keep_in_rankings, keep_largest
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.patterns import expand, group_scores, group_sizes, parse_pattern

SCORES = "scores"  # the top-level entry of the parameters that holds them
Scores = dict[str, Any]


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
        found = keep_in_rankings(values, [1] * len(values), alone, budgets)
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


def _survivors(total: int, sparsity: float) -> int:
    return max(total - round(total * sparsity), 1)


def _prunable(settings: LearnedMask, params: Params) -> dict[str, Any]:
    chosen = masks.leaf_paths(masks.select(params, settings.prunable, settings.exclude))
    return {path: leaf for path, leaf in masks.leaf_paths(params).items() if chosen[path]}


def _name(path: str) -> str:
    return path.replace("/", ".")
