"""Which channels of a ticket's network can only be removed together."""

from functools import partial

import flax.linen as nn
import numpy as np

from rtickets import masks
from rtickets.tickets.compaction.known import Kind
from rtickets.tickets.compaction.network import HEAD, examples_of, network_of, variables_of
from rtickets.tickets.compaction.trace import plainly, trace
from rtickets.tickets.ticket import Ticket


def linked_channels(ticket: Ticket) -> dict[str, np.ndarray]:
    """Return the group of every output of every array of two and more axes, by path.

    Outputs are the last axis. Channels of a group, in one layer or in several, meet in additions,
    concatenations, depthwise convolutions or normalisations. Groups that can never be removed, as
    they are answers or what is done with them is not understood, are -1.
    """
    model, answers, inputs = network_of(ticket.meta, HEAD in ticket.params)
    variables = variables_of(ticket.params, ticket.batch_stats)
    with nn.intercept_methods(plainly):
        traced = trace(partial(answers, model), variables, examples_of(inputs, 1))
    kept = np.array(sorted(traced.units.kept()), np.int64)
    found = {}
    for path, leaf in masks.leaf_paths(ticket.params).items():
        axis = traced.axes[f"params/{path}"][-1] if np.ndim(leaf) > 1 else None
        if axis is not None and not isinstance(axis, Kind):
            roots = traced.units.roots(axis)
            found[path] = np.where(np.isin(roots, kept), -1, roots)
    return found
