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

from rtickets.errors import InputError
from rtickets.masks import trees
from rtickets.masks.budget import survivors
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import Layouts, join, split, split_shapes
from rtickets.masks.ordered import modulus
from rtickets.masks.patterns import expand, group_scores, group_sizes, parse_pattern
from rtickets.masks.prunable import prunable_leaves
from rtickets.masks.topk import keep_in_rankings, keep_largest
from rtickets.masks.trees import DEFAULT_PRUNABLE, Mask, Params

SCORES = "scores"  # the top-level entry of the parameters that holds them
Scores = dict[str, Any]


@dataclass(frozen=True)
class LearnedMask:
    """How scores become a mask.

    Attributes:
        sparsity: removed fraction.
        pattern: what lives or dies together, any but n:m.
        scope: 'uniform' keeps the same share of the groups of every layer, which is a leaf or a
            copy of a stack, 'global' ranks all together.
        ranking: by the 'magnitude' of the score, whose gradient carries its sign, or by the score
            as it is ('plain').
        prunable: regular expression of the paths of prunable leaves.
        exclude: regular expression of leaves to leave alone, or None.
        layouts: what the axes of kernels are, where that cannot be inferred: pairs of an expression
            and a layout, see `rtickets.masks.layout_names`.
    """

    sparsity: float
    pattern: str = "element"
    scope: Literal["uniform", "global"] = "uniform"
    ranking: Literal["magnitude", "plain"] = "magnitude"
    prunable: str = DEFAULT_PRUNABLE
    exclude: str | None = None
    layouts: tuple[tuple[str, str], ...] = ()


def initial_scores(
    settings: LearnedMask, params: Params, key: Array, start: Literal["magnitude", "kaiming"]
) -> Scores:
    """Return the scores that learning starts from.

    Args:
        key: PRNG key of the 'kaiming' start.
        start: the 'magnitude' of the group (its mean absolute weight), or 'kaiming', uniform with
            He et al.'s bound for a slope of sqrt(5), that is 1 / sqrt(fan in).

    Returns:
        float32 arrays of one score per group, keyed by the layer's path with '.' between its parts.

    Raises:
        InputError: for a pattern that learns no groups, expressions that match nothing, or a kernel
            of unknown layout where a pattern but 'element' or 'kaiming' needs it.
    """
    pattern = parse_pattern(settings.pattern)
    if pattern.name == "n:m":
        raise InputError(f"pattern={settings.pattern!r} has no groups to score; draw it by OMP")
    leaves = prunable_leaves(params, settings.prunable, settings.exclude)
    layouts = _layouts(settings, params, leaves, "start='kaiming'" if start == "kaiming" else None)
    sizes_of = {path: modulus(path, leaf) for path, leaf in leaves.items()}
    scores = {}
    for index, (path, weights) in enumerate(split(sizes_of, layouts).items()):
        groups: Any = group_scores(weights, pattern)
        if start == "kaiming":
            bound = max(math.prod(weights.shape[:-1]), 1) ** -0.5
            own = jax.random.fold_in(key, index)
            groups = jax.random.uniform(own, groups.shape, minval=-bound, maxval=bound)
        if _name(path) in scores:
            raise InputError(f"two leaves have scores called {_name(path)!r}; rename one of them")
        scores[_name(path)] = jnp.asarray(groups, jnp.float32)
    return scores


def mask_of(settings: LearnedMask, params: Params, scores: Mapping[str, Any]) -> Mask:
    """Return the mask that scores stand for, of the structure of `params`."""
    keep = _spread(settings, params, living_groups(settings, params, scores))
    leaves = [keep.get(path, jnp.ones((), bool)) for path in trees.leaf_paths(params)]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def apply_scores(
    settings: LearnedMask,
    params: Params,
    scores: Mapping[str, Any],
    keep: Mapping[str, Array] | None = None,
) -> Params:
    """Return the masked weights, differentiable with respect to the scores.

    Args:
        keep: what `living_groups` returned for them, or None to find it here.

    Returns:
        The weights, exactly 0 where the mask of `mask_of` is False. The gradient of a score is the
        sum over its group of weight times gradient, times the score's sign for 'magnitude'.
    """
    if keep is None:
        keep = living_groups(settings, params, jax.lax.stop_gradient(scores))
    gates = {}
    for path, lives in keep.items():
        score = scores[_name(path)]
        soft = jnp.abs(score) if settings.ranking == "magnitude" else score
        gates[path] = lives + (soft - jax.lax.stop_gradient(soft))  # the bracket is exactly 0
    gates = _spread(settings, params, gates)
    leaves = [
        leaf * gates[path] if path in gates else leaf
        for path, leaf in trees.leaf_paths(params).items()
    ]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def living_groups(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any]
) -> dict[str, Array]:
    """Find the groups that live: bool arrays in the shapes of the scores, by the path of the layer.

    This is what a step spends on its mask, so it is done once.
    """
    pattern = parse_pattern(settings.pattern)
    shapes = _layer_shapes(settings, params)
    ranked = ranked_scores(settings, params, scores)
    values = list(ranked.values())
    if settings.scope == "uniform":
        alone = [[index] for index in range(len(values))]
        budgets = [survivors(value.size, settings.sparsity) for value in values]
        found = keep_in_rankings(values, [1] * len(values), alone, budgets)
        return dict(zip(ranked, found, strict=True))
    sizes = [group_sizes(shape, pattern) for shape in shapes.values()]
    budget = survivors(sum(int(size.sum()) for size in sizes), settings.sparsity)
    equal = len({int(s) for size in sizes for s in (size.min(), size.max())}) == 1
    if equal:  # groups of one size are counted themselves, so that their number is exact
        budget = survivors(sum(size.size for size in sizes), settings.sparsity)
    else:
        budget = max(budget, *(int(size.max()) for size in sizes))  # room for one group at least
    found = keep_largest(values, [1] * len(sizes) if equal else sizes, budget)
    return dict(zip(ranked, found, strict=True))


def ranked_scores(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any]
) -> dict[str, Array]:
    """Return what groups are ranked by, by layer; it takes what `living_groups` takes."""
    rank = jnp.abs if settings.ranking == "magnitude" else jnp.asarray
    return {path: rank(scores[_name(path)]) for path in _layer_shapes(settings, params)}


def _layouts(
    settings: LearnedMask, params: Params, leaves: Mapping[str, Any], needed_by: str | None = None
) -> Layouts:
    if settings.pattern != "element":
        needed_by = f"pattern={settings.pattern!r}"
    return layouts_of(params, leaves, dict(settings.layouts), needed_by)


def _layer_shapes(settings: LearnedMask, params: Params) -> dict[str, tuple[int, ...]]:
    leaves = prunable_leaves(params, settings.prunable, settings.exclude)
    shapes = {path: np.shape(leaf) for path, leaf in leaves.items()}
    return split_shapes(shapes, _layouts(settings, params, leaves))


def _spread(settings: LearnedMask, params: Params, groups: Mapping[str, Array]) -> dict[str, Any]:
    """Spread one value per group of every layer over the weights of the kernels, by path."""
    pattern = parse_pattern(settings.pattern)
    leaves = prunable_leaves(params, settings.prunable, settings.exclude)
    layouts = _layouts(settings, params, leaves)
    shapes = {path: np.shape(leaf) for path, leaf in leaves.items()}
    layers = split_shapes(shapes, layouts)
    spread = {path: expand(groups[path], shape, pattern) for path, shape in layers.items()}
    return join(spread, shapes, layouts)


def _name(path: str) -> str:
    return path.replace("/", ".")
