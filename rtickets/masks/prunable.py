"""Picking the leaves of weights that may be pruned, and putting others in their place."""

from collections.abc import Mapping
from typing import Any

import jax

from rtickets.masks import trees
from rtickets.masks.trees import DEFAULT_PRUNABLE, Params


def prunable_leaves(
    params: Params, prunable: str = DEFAULT_PRUNABLE, exclude: str | None = None
) -> dict[str, Any]:
    """Return the leaves that `rtickets.masks.select` marks, by path in flattening order."""
    chosen = trees.leaf_paths(trees.select(params, prunable, exclude))
    return {path: leaf for path, leaf in trees.leaf_paths(params).items() if chosen[path]}


def replace_leaves(params: Params, leaves: Mapping[str, Any]) -> Params:
    """Return the weights with some leaves, given by path, replaced."""
    replaced = [leaves.get(path, leaf) for path, leaf in trees.leaf_paths(params).items()]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), replaced)
