"""Masks of several masks: what lives in all of them, or in any."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.masks.checks import check
from rtickets.masks.paths import leaf_paths
from rtickets.masks.trees import Mask


def union(*masks: Mask) -> Mask:
    """Return the mask in which lives what lives in any of some masks; arguments as below."""
    return _of_all(masks, np.logical_or)


def intersection(*masks: Mask) -> Mask:
    """Return the mask in which lives what lives in all of some masks.

    Args:
        *masks: of the same network and prunable leaves, at least one.

    Raises:
        InputError: if one is no mask, there is none, or they belong to different networks.
    """
    return _of_all(masks, np.logical_and)


def _of_all(masks: tuple[Mask, ...], of_two: Callable[..., Any]) -> Mask:
    if not masks:
        raise InputError("give at least one mask")
    for mask in masks:
        check(mask)
    shapes = [{path: np.shape(leaf) for path, leaf in leaf_paths(mask).items()} for mask in masks]
    if any(each != shapes[0] for each in shapes):
        raise InputError(
            "the masks belong to different networks, or prune other leaves: their shapes differ"
        )
    return jax.tree.map(lambda *leaves: reduce(of_two, map(np.asarray, leaves)), *masks)
