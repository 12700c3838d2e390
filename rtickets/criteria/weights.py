"""Scores that need the weights alone, and picking the weights that are scored."""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np

from rtickets import masks
from rtickets.masks import DEFAULT_PRUNABLE, Params
from rtickets.ordered import modulus

Criterion = Literal["magnitude", "random"]
Leaves = Mapping[str, np.ndarray]
Scores = dict[str, np.ndarray]


def magnitude(weights: Leaves) -> Scores:
    """Score every weight by its absolute value (Han et al. 2015).

    Args:
        weights: arrays by path, see `rtickets.ordered.modulus`.

    Returns:
        Arrays of the same shapes.

    Raises:
        InputError: for weights that are no numbers.
    """
    return {path: modulus(path, leaf) for path, leaf in weights.items()}


def random(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Scores:
    """Score everything by chance, the control of every criterion.

    Args:
        shapes: shapes of the scores by path.
        seed: of the draw. A leaf's scores depend on the seed and its position among the leaves.

    Returns:
        float32 arrays, uniform in [0, 1).
    """
    return {
        path: np.random.default_rng([seed, index]).random(shape, np.float32)
        for index, (path, shape) in enumerate(shapes.items())
    }


def prunable_leaves(
    params: Params, prunable: str = DEFAULT_PRUNABLE, exclude: str | None = None
) -> dict[str, Any]:
    """Return the leaves that may be pruned.

    Args:
        params: pytree of weights.
        prunable: see `rtickets.masks.select`.
        exclude: likewise.

    Returns:
        The leaves by path, in flattening order.

    Raises:
        InputError: if either expression is malformed or matches no leaf.
    """
    chosen = masks.leaf_paths(masks.select(params, prunable, exclude))
    return {path: leaf for path, leaf in masks.leaf_paths(params).items() if chosen[path]}


def replace_leaves(params: Params, leaves: Mapping[str, Any]) -> Params:
    """Return the weights with some leaves replaced.

    Args:
        params: pytree of weights.
        leaves: the new ones by path.

    Returns:
        A pytree of the same structure.
    """
    replaced = [leaves.get(path, leaf) for path, leaf in masks.leaf_paths(params).items()]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(params), replaced)
