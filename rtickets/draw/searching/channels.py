"""The searchable channels of a supernet: what lives or dies as one, and what it costs.

Found by the names of `rtickets.models.searchable`, so that what a penalty weighs, what an event
removes and what a count counts are one and the same set.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params

_SCALE = "_depthwise_norm/scale"
Alive = Mapping[str, np.ndarray]
"""bool (n,), the channels of every path that live, by the path of their scales."""


class Tied(NamedTuple):
    """What belongs to the channels of a path of a searchable block.

    Attributes:
        arrays: the axis of its channels, by the path of the array.
        shift: the path of the shift of its depthwise normalisation.
        project: that of the projection.
        norm: that of the normalisation after it, without 'scale' or 'mean'.
    """

    arrays: dict[str, int]
    shift: str
    project: str
    norm: str


def find(params: Params) -> dict[str, Tied]:
    """Return the paths of all searchable blocks, by the path of their scales.

    Raises:
        InputError: if the network has none.
    """
    found = {}
    for path in masks.leaf_paths(params):
        if not path.endswith(_SCALE):
            continue
        own, block = path.removesuffix(_SCALE), path.rpartition("/")[0].rpartition("/")[0]
        norms = {
            f"{own}_{which}_norm/{leaf}": 0
            for which in ("expand", "depthwise")
            for leaf in ("scale", "bias")
        }
        project = f"{own}_project_conv/kernel"
        kernels = {f"{own}_expand_conv/kernel": 3, f"{own}_depthwise_conv/kernel": 3, project: 2}
        shift = path.removesuffix("scale") + "bias"
        found[path] = Tied({**kernels, **norms}, shift, project, f"{block}/project_norm")
    if not found:
        raise InputError(
            "the network has no searchable blocks; choose a model.arch such as supernet_small"
        )
    return found


def all_alive(params: Params) -> dict[str, np.ndarray]:
    """Return that all channels live."""
    leaves = masks.leaf_paths(params)
    return {path: np.ones(np.shape(leaves[path]), bool) for path in find(params)}


def costs_per_channel(params: Params, places: Mapping[str, int]) -> dict[str, int]:
    """Return the multiply-adds of a channel of every path, by the path of its scales.

    Args:
        places: as of `rtickets.tickets.multiply_adds.places_of`.
    """
    leaves = masks.leaf_paths(params)
    found = {}
    for path, tied in find(params).items():
        kernels = [(array, axis) for array, axis in tied.arrays.items() if array in places]
        found[path] = sum(
            places[array] * (np.size(leaves[array]) // np.shape(leaves[array])[axis])
            for array, axis in kernels
        )
    return found


def penalty_weights(
    rho: float, costs: Mapping[str, int], alive: Alive, counted: Alive, *, equal: bool = False
) -> dict[str, np.ndarray]:
    """Return the weight of the penalty on every scale: rho times its cost over the mean one.

    Args:
        rho: of the mean channel.
        costs: multiply-adds of a channel of every path.
        alive: others have the weight 0.
        counted: the channels that the mean is over; without one there is nothing to weigh.
        equal: all that live have the weight rho.
    """
    number = sum(int(each.sum()) for each in counted.values())
    mean = sum(costs[path] * int(each.sum()) for path, each in counted.items()) / max(number, 1)
    alike = equal or not mean
    return {
        path: np.float32(rho if alike else rho * costs[path] / mean) * each.astype(np.float32)
        for path, each in alive.items()
    }


def mask_of(params: Params, alive: Alive, prunable: Mask) -> Mask:
    """Return the mask of kernels with living channels.

    Args:
        prunable: a mask of the structure; leaves that are scalars there stay so.
    """
    return _on_channels(
        find(params), alive, prunable, lambda leaf, live: leaf & live if np.ndim(leaf) else leaf
    )


def without_dead(params: Params, alive: Alive, tree: Any = None) -> Any:
    """Return a tree of arrays like the parameters, by default these, 0 where channels are dead."""
    tied = find(params)
    tree = params if tree is None else tree
    return _on_channels(
        tied, alive, tree, lambda leaf, live: np.where(live, leaf, np.zeros_like(leaf))
    )


def _on_channels(
    tied: Mapping[str, Tied], alive: Alive, tree: Any, change: Callable[[Any, Any], Any]
) -> Any:
    leaves = flatten_dict(tree, sep="/")
    for path, each in tied.items():
        for array, axis in each.arrays.items():
            leaf = np.asarray(leaves[array])
            shape = [1] * leaf.ndim
            if leaf.ndim:
                shape[axis] = -1
            leaves[array] = change(leaf, alive[path].reshape(shape) if leaf.ndim else alive[path])
    return unflatten_dict(leaves, sep="/")
