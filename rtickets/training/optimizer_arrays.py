"""The state of any optimiser of optax as arrays by path, for the survivors of a mask."""

from typing import Any

import numpy as np
import optax

from rtickets.masks import Mask, Params
from rtickets.training.tree_arrays import Stored, nested


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
    return nested(state), nested(keep)


def from_arrays(
    optimizer: optax.GradientTransformation, params: Params, arrays: dict[str, Any], where: Any
) -> Any:
    """Return the state that `to_arrays` took apart; refuse that of another optimiser or network.

    `where` the arrays come from is for the message.
    """
    return Stored(arrays, where, "the state of another optimiser").like(optimizer.init(params))
