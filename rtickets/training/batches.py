"""Which examples a step takes: a pure function of seed and step."""

import numpy as np

from rtickets.data import epoch_order
from rtickets.errors import InputError


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Return the number of whole batches in an epoch, of which there must be one."""
    if batch_size > examples:
        raise InputError(
            f"batch_size={batch_size} exceeds the {examples} training examples; lower it"
        )
    return examples // batch_size


def batch_indices(
    examples: int, batch_size: int, seed: int, start: int, stop: int, replays: int = 1
) -> np.ndarray:
    """Return the examples of steps start ... stop - 1, int32 (stop - start, batch_size).

    The rest of an epoch that fills no batch is left out, and `replays` steps in a row take the same
    batch.
    """
    per_epoch = steps_per_epoch(examples, batch_size)
    begin, end = start // replays, (stop - 1) // replays + 1  # batches
    rows = []
    for epoch in range(begin // per_epoch, (end - 1) // per_epoch + 1):
        order = epoch_order(examples, seed, epoch)[: per_epoch * batch_size]
        first = max(begin - epoch * per_epoch, 0)
        rows.append(order.reshape(per_epoch, batch_size)[first : end - epoch * per_epoch])
    return np.concatenate(rows)[np.arange(start, stop) // replays - begin]
