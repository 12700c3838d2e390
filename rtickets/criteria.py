"""Scores: how much each weight of a network matters, higher is kept longer."""

from typing import Any

import jax
import numpy as np

from rtickets.masks import Params


def magnitude(params: Params) -> Any:
    """Score every weight by its absolute value (Han et al. 2015).

    Args:
        params: pytree of weights of any floating dtype.

    Returns:
        A pytree of float32 arrays of the same shapes, on the host.
    """
    return jax.tree.map(lambda leaf: np.abs(np.asarray(leaf, np.float32)), params)
