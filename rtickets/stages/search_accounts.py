"""What a searched network takes: parameters and multiply-adds, dense, searched and sparse."""

from typing import Any

import numpy as np

from rtickets import masks
from rtickets.draw.searching import channels
from rtickets.masks import Mask
from rtickets.models.inputs import Inputs
from rtickets.tickets import provenance
from rtickets.tickets.multiply_adds import costs
from rtickets.tickets.ticket import Ticket


def account(ticket: Ticket, inputs: Inputs, whole: Mask) -> dict[str, Any]:
    """Return what a ticket of a supernet takes of an example, for JSON.

    Args:
        ticket: of a search; channels whose normalisation is 0 are dead.
        inputs: what the network takes.
        whole: the mask of the dense network.

    Returns:
        `parameters` and `multiply_adds`: 'dense', 'searched' (living channels alone), 'sparse'
        (living weights alone, layer by layer), and of multiply-adds 'sparse_even', the published
        approximation: those of the searched network times the share of its prunable weights that
        live. `channels`: living ones, and all.
    """
    params, tied = ticket.params, channels.find(ticket.params)
    leaves = masks.leaf_paths(params)
    alive = {
        path: (np.asarray(leaves[path]) != 0) | (np.asarray(leaves[each.shift]) != 0)
        for path, each in tied.items()
    }
    living = channels.mask_of(params, alive, whole)
    model = provenance.build_model(ticket.meta)
    dense, searched, sparse = (costs(model, inputs, m) for m in (whole, living, ticket.mask))
    total = sum(int(np.size(leaf)) for leaf in leaves.values())
    dead = {path: int((~each).sum()) for path, each in alive.items()}
    gone = sum(
        dead[path] * (np.size(leaves[array]) // np.shape(leaves[array])[axis])
        for path, each in tied.items()
        for array, axis in each.arrays.items()
    )
    kept, open_to = (
        sum(int(leaf.sum()) for leaf in masks.prunable_leaves(mask).values())
        for mask in (ticket.mask, living)
    )
    adds = sum(each.sparse for each in searched.values())
    parameters = {
        "dense": total, "searched": total - gone, "sparse": total - gone - (open_to - kept),
    }  # fmt: skip
    multiply_adds = {
        "dense": sum(each.dense for each in dense.values()),
        "searched": adds,
        "sparse": sum(each.sparse for each in sparse.values()),
        "sparse_even": round(adds * kept / max(open_to, 1)),
    }
    number = [sum(int(e.sum()) for e in alive.values()), sum(e.size for e in alive.values())]
    return {"parameters": parameters, "multiply_adds": multiply_adds, "channels": number}
