"""The state of any optimiser of optax as arrays by path, for the survivors of a mask."""

from typing import Any

import jax
import numpy as np
import optax

from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.masks.paths import leaf_paths


def to_arrays(
    optimizer: optax.GradientTransformation, state: Any, mask: Mask
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an optimiser remembers of the weights that live, and all else in its state.

    Returns:
        (arrays, mask): nested dictionaries with one entry for every leaf of the state, named by its
        place there. The mask of what belongs to no weight, such as a count of steps, is True.
    """
    keep = optax.tree_utils.tree_map_params(
        optimizer,
        lambda _, alive: np.asarray(alive),
        state,
        mask,
        transform_non_params=lambda _: np.ones((), bool),
    )
    return _nested(leaf_paths(state)), _nested(leaf_paths(keep))


def from_arrays(
    optimizer: optax.GradientTransformation, params: Params, arrays: dict[str, Any], where: Any
) -> Any:
    """Return the state that `to_arrays` took apart; refuse that of another optimiser or network.

    `where` the arrays come from is for the message.
    """
    fresh = optimizer.init(params)
    wanted, given = leaf_paths(fresh), leaf_paths(arrays)
    shapes = {path: np.shape(leaf) for path, leaf in wanted.items()}
    if {path: np.shape(leaf) for path, leaf in given.items()} != shapes:
        raise InputError(
            f"{where} holds the state of another optimiser, or of another version of rtickets; "
            "draw into a new folder, or with method.optimizer='reset'"
        )
    leaves = [jax.numpy.asarray(given[path], leaf.dtype) for path, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(fresh), leaves)


def _nested(leaves: dict[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *parents, name = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf
    return root
