"""What a searched network takes: parameters and multiply-adds, dense, searched and sparse."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import masks
from rtickets.draw.searching import channels
from rtickets.masks import Mask, Params
from rtickets.models.inputs import Inputs
from rtickets.tickets import provenance
from rtickets.tickets.multiply_adds import costs
from rtickets.tickets.ticket import Ticket

KINDS = ("dense", "searched", "sparse")
REST = "the rest"


class Layer(NamedTuple):
    """What a layer takes of an example: dense, searched (living channels alone), and sparse.

    Attributes:
        parameters: numbers of them.
        multiply_adds: likewise, exact.
        even: the published approximation of the last: those of the searched layer times the share
            of all prunable weights of living channels that live, as if they were spread evenly.
    """

    parameters: tuple[int, int, int]
    multiply_adds: tuple[int, int, int]
    even: float


def living_channels(params: Params) -> dict[str, np.ndarray]:
    """Return which channels live: those whose normalisation is not 0."""
    leaves = masks.leaf_paths(params)
    return {
        path: (np.asarray(leaves[path]) != 0) | (np.asarray(leaves[each.shift]) != 0)
        for path, each in channels.find(params).items()
    }


def layers_of(
    ticket: Ticket, inputs: Inputs, whole: Mask, alive: channels.Alive | None = None
) -> dict[str, Layer]:
    """Return what every layer with a kernel takes, by its path, and last `REST`.

    Args:
        ticket: of a supernet.
        inputs: what the network takes.
        whole: the mask of the dense network.
        alive: the channels of the searched network; None are `living_channels`.
    """
    params = ticket.params
    leaves = masks.leaf_paths(params)
    alive = living_channels(params) if alive is None else alive
    living = channels.mask_of(params, alive, whole)
    model = provenance.build_model(ticket.meta)
    # A kernel that is not prunable is a scalar in masks; its dead channels count nothing either.
    every, pruned = (_of_shapes(mask, params) for mask in (whole, ticket.mask))
    dense, searched, sparse = (
        costs(model, inputs, mask)
        for mask in (every, *(channels.mask_of(params, alive, each) for each in (every, pruned)))
    )
    share = _share(ticket.mask, living)
    found = {
        path: Layer(
            (own.weights, searched[path].living, sparse[path].living),
            (own.dense, searched[path].sparse, sparse[path].sparse),
            searched[path].sparse * share,
        )
        for path, own in dense.items()
    }
    total = sum(int(np.size(leaf)) for leaf in leaves.values())
    rest = total - sum(own.parameters[0] for own in found.values())
    dead = _dead_elsewhere(params, alive, found)
    return {**found, REST: Layer((rest, rest - dead, rest - dead), (0, 0, 0), 0.0)}


def _of_shapes(mask: Mask, params: Params) -> Mask:
    """Return a mask whose leaves all have the shapes of the weights."""
    return jax.tree.map(lambda keep, leaf: np.broadcast_to(keep, np.shape(leaf)), mask, params)


def _share(mask: Mask, living: Mask) -> float:
    """Return the share of the prunable weights of living channels that live."""
    kept, open_to = (
        sum(int(leaf.sum()) for leaf in masks.prunable_leaves(each).values())
        for each in (mask, living)
    )
    return kept / max(open_to, 1)


def _dead_elsewhere(params: Params, alive: channels.Alive, kernels: Mapping[str, Any]) -> int:
    """Return the number of parameters of dead channels that are in no kernel."""
    leaves = masks.leaf_paths(params)
    return sum(
        int((~alive[path]).sum()) * (np.size(leaves[array]) // np.shape(leaves[array])[axis])
        for path, each in channels.find(params).items()
        for array, axis in each.arrays.items()
        if array not in kernels
    )


def account(
    ticket: Ticket, inputs: Inputs, whole: Mask, alive: channels.Alive | None = None
) -> dict[str, Any]:
    """Return what a ticket of a supernet takes of an example, for JSON; see `layers_of`.

    Returns:
        `parameters` and `multiply_adds`: 'dense', 'searched' (living channels alone), 'sparse'
        (living weights alone, layer by layer), and of multiply-adds 'sparse_even', the published
        approximation: those of the searched network times the share of its prunable weights that
        live. `channels`: living ones, and all.
    """
    alive = living_channels(ticket.params) if alive is None else alive
    layers = layers_of(ticket, inputs, whole, alive).values()
    parameters, multiply_adds = (
        {kind: sum(column) for kind, column in zip(KINDS, zip(*each, strict=True), strict=True)}
        for each in ([own.parameters for own in layers], [own.multiply_adds for own in layers])
    )
    even = round(sum(own.even for own in layers))
    number = [sum(int(e.sum()) for e in alive.values()), sum(e.size for e in alive.values())]
    return {
        "parameters": parameters,
        "multiply_adds": {**multiply_adds, "sparse_even": even},
        "channels": number,
    }
