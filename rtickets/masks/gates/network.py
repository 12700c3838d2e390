"""Gates on a network: its kernels taken apart into groups, and gates spread over the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.errors import InputError
from rtickets.masks import trees
from rtickets.masks.gates.base import Gate, GateConfig, Layers, Scores
from rtickets.masks.gates.top_scores import TopScores
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import Layouts, join, split, split_shapes
from rtickets.masks.patterns import expand, parse_pattern
from rtickets.masks.prunable import prunable_leaves
from rtickets.masks.trees import DEFAULT_PRUNABLE, Mask, Params

SCORES = "scores"  # the top-level entry of the parameters that holds them


@dataclass(frozen=True)
class LearnedMask:
    """What is scored, and how scores become a mask.

    Attributes:
        sparsity: removed fraction.
        pattern: what lives or dies together, any but n:m.
        scope: 'uniform' keeps the same share of the groups of every layer, which is a leaf or a
            copy of a stack, 'global' ranks all together.
        gate: how scores become a mask.
        prunable: regular expression of the paths of prunable leaves.
        exclude: regular expression of leaves to leave alone, or None.
        layouts: what the axes of kernels are, where that cannot be inferred: pairs of an expression
            and a layout, see `rtickets.masks.layout_names`.
    """

    sparsity: float
    pattern: str = "element"
    scope: Literal["uniform", "global"] = "uniform"
    gate: GateConfig = field(default_factory=TopScores)
    prunable: str = DEFAULT_PRUNABLE
    exclude: str | None = None
    layouts: tuple[tuple[str, str], ...] = ()


def initial_scores(settings: LearnedMask, params: Params, key: Array) -> Scores:
    """Return the scores that learning starts from; `key` is for random starts.

    Returns:
        float32 arrays of one score per group, keyed by the layer's path with '.' between its parts.

    Raises:
        InputError: for a pattern that learns no groups, expressions that match nothing, or a kernel
            of unknown layout where a pattern but 'element' or a start by fan in needs it.
    """
    pattern = parse_pattern(settings.pattern)
    if pattern.name == "n:m":
        raise InputError(f"pattern={settings.pattern!r} has no groups to score; draw it by OMP")
    leaves = prunable_leaves(params, settings.prunable, settings.exclude)
    layouts = _layouts(settings, params, leaves, settings.gate.needs_fan_in)
    stored = {path: np.asarray(leaf) for path, leaf in leaves.items()}
    weights: dict[str, Any] = {}
    for path, kernel in split(stored, layouts).items():
        if _name(path) in weights:
            raise InputError(f"two leaves have scores called {_name(path)!r}; rename one of them")
        weights[_name(path)] = kernel
    return gate_on(settings, params).initial(weights, key)


def gate_on(settings: LearnedMask, params: Params) -> Gate:
    """Return the gate on the layers of a network; only shapes of `params` are read."""
    shapes = {_name(path): shape for path, shape in _layer_shapes(settings, params).items()}
    pattern = parse_pattern(settings.pattern)
    return settings.gate.on(Layers(shapes, pattern, settings.sparsity, settings.scope))


def mask_of(settings: LearnedMask, params: Params, scores: Mapping[str, Any]) -> Mask:
    """Return the mask that scores stand for, of the structure of `params`."""
    keep = _spread(settings, params, living_groups(settings, params, scores))
    leaves = [keep.get(path, jnp.ones((), bool)) for path in trees.leaf_paths(params)]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


def living_groups(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any]
) -> dict[str, Array]:
    """Return which groups live, bool in the shapes of the scores, by the path of the layer."""
    return _by_path(settings, params, gate_on(settings, params).mask(scores))


def ranked_scores(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any]
) -> dict[str, Array]:
    """Return what groups are compared by; it takes what `living_groups` takes."""
    return _by_path(settings, params, gate_on(settings, params).ranked(scores))


def gates_of(
    settings: LearnedMask, params: Params, scores: Mapping[str, Any], key: Array
) -> dict[str, Array]:
    """Return what a step multiplies groups with, differentiable with respect to the scores.

    They are arrays in the shapes of the scores, by the path of the layer. Of the parameters only
    shapes are read; the key is the step's.
    """
    return _by_path(settings, params, gate_on(settings, params).gate(scores, key))


def penalty_of(settings: LearnedMask, params: Params, scores: Mapping[str, Any]) -> Array:
    """Return what the scores add to the loss; it takes what `living_groups` takes."""
    return gate_on(settings, params).penalty(scores)


def apply_gates(settings: LearnedMask, params: Params, gates: Mapping[str, Array]) -> Params:
    """Return weights times the gates of their groups, differentiable with respect to both.

    Gates are what `gates_of` or `living_groups` returned.
    """
    spread = _spread(settings, params, gates)
    leaves = [
        leaf * spread[path] if path in spread else leaf
        for path, leaf in trees.leaf_paths(params).items()
    ]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), leaves)


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


def _by_path(settings: LearnedMask, params: Params, found: Scores) -> dict[str, Array]:
    return {path: found[_name(path)] for path in _layer_shapes(settings, params)}


def _name(path: str) -> str:
    return path.replace("/", ".")
