"""Removing channels: which, and what of them is carried on.

A channel whose scale is near 0 answers what its shift leaves of the activation, the same
everywhere: its projection adds a constant to what is normalised next. Removal takes the constant
out of the running mean there, so that answers stay what they were up to the scale itself, which is
below the threshold; a scale of 0 changes nothing at all. What training makes of statistics of the
batch does not depend on it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from rtickets import masks
from rtickets.draw.searching.channels import Alive, find
from rtickets.masks import Params


def alive_after(
    scales: Mapping[str, Any],
    averages: Mapping[str, Any],
    alive: Alive,
    threshold: float,
    *,
    last: bool = False,
) -> dict[str, np.ndarray]:
    """Return which channels live on; those that are dead stay so.

    Args:
        scales: the current ones, by path.
        averages: their averages; the current ones where there are none.
        alive: which live.
        threshold: what a scale must be larger than.
        last: the averages alone decide.
    """
    found = {}
    for path, live in alive.items():
        large = np.abs(averages[path]) > threshold
        if not last:
            large = large | (np.abs(scales[path]) > threshold)
        found[path] = live & large
    return found


def freed(alive: Alive, after: Alive, costs: Mapping[str, int]) -> int:
    """Return the multiply-adds of the channels that live no more."""
    return sum(costs[path] * int((live & ~after[path]).sum()) for path, live in alive.items())


def within_budget(
    averages: Mapping[str, Any], alive: Alive, costs: Mapping[str, int], excess: int
) -> dict[str, np.ndarray]:
    """Return the channels without those of the smallest scales, until so much is freed.

    Of equal scales the first go.
    """
    order = [
        (float(abs(averages[path][n])), index, path, n)
        for index, (path, live) in enumerate(alive.items())
        for n in np.flatnonzero(live).tolist()
    ]
    found = {path: live.copy() for path, live in alive.items()}
    for _, _, path, n in sorted(order):
        if excess <= 0:
            break
        found[path][n] = False
        excess -= costs[path]
    return found


def without_constants(
    params: Params, state: Any, alive: Alive, after: Alive, activation: Callable[[Any], Any]
) -> Any:
    """Return normalisation statistics without what channels that die add to them.

    Args:
        params: the weights as the network sees them, masked, those channels still among them.
        state: its running statistics.
        alive: channels that lived.
        after: those that live on.
        activation: of the blocks.
    """
    leaves, found = masks.leaf_paths(params), flatten_dict(state, sep="/")
    for path, tied in find(params).items():
        dies = alive[path] & ~after[path]
        if dies.any():
            answers = np.asarray(activation(np.asarray(leaves[tied.shift])), np.float64) * dies
            rows = np.asarray(leaves[tied.project], np.float64)[0, 0]
            mean = found[f"{tied.norm}/mean"]
            found[f"{tied.norm}/mean"] = (mean - answers @ rows).astype(np.float32)
    return unflatten_dict(found, sep="/")
