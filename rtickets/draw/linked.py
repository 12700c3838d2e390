"""Groups of channels that can be removed whole, over all layers that they are linked across.

What a residual addition, a concatenation, a depthwise convolution or a normalisation joins lives or
dies together: the filters of all layers that write a channel are one group, which
`rtickets.tickets.compaction.linked_channels` finds and `rtickets compact` takes out.
"""

from collections.abc import Mapping

import numpy as np

from rtickets.draw.criteria import Scores
from rtickets.draw.ranking import Kept, Ranking, budget_of, keep_within_budget
from rtickets.errors import InputError
from rtickets.masks.budget import survivors

Linked = Mapping[str, np.ndarray]
"""By path, the group of every output of a kernel; below 0 where it can never be removed."""


def check_linked(linked: Linked | None, shapes: Mapping[str, tuple[int, ...]]) -> Linked:
    """Return which groups kernels (..., outputs) have, -1 of those that others share.

    What a kernel that is not drawn from writes as well cannot be removed whole.

    Raises:
        InputError: if they are not given, or not for every kernel.
    """
    if linked is None:
        raise InputError(
            "pattern='channel_linked' needs linked=, which channels go together; give what "
            "rtickets.tickets.compaction.linked_channels(ticket) returns"
        )
    for path, shape in shapes.items():
        if path not in linked or np.shape(linked[path]) != shape[-1:]:
            raise InputError(
                f"pattern='channel_linked': linked says nothing of the {shape[-1]} outputs of "
                f"{path}; exclude it, or choose pattern='channel'"
            )
    others = [np.ravel(groups) for path, groups in linked.items() if path not in shapes]
    shared = np.concatenate([np.empty(0, np.int64), *others])
    return {path: np.where(np.isin(linked[path], shared), -1, linked[path]) for path in shapes}


def keep_linked(
    scores: Scores, alive: Scores, linked: Linked, sparsity: float, *, squared: bool = False
) -> Kept:
    """Keep the groups with the largest mean scores, as many as fit into the budget of weights.

    Args:
        scores: of weights, by layer, (..., outputs).
        alive: bool likewise, of the weights that were alive before.
        linked: see `check_linked`.
        sparsity: removed fraction, counted from the dense network.
        squared: whether the score of a group is the root of the mean square.

    Raises:
        InputError: if what can never be removed does not fit, a group lives in part, or the budget
            would wake a dead one.
    """
    ids = np.concatenate([linked[path] for path in scores])
    groups, where = np.unique(ids, return_inverse=True)
    ends = np.cumsum([np.shape(each)[-1] for each in scores.values()])[:-1]

    def total(values: Scores) -> np.ndarray:
        flat = [each.reshape(-1, each.shape[-1]).sum(0, np.float64) for each in values.values()]
        return np.bincount(where, np.concatenate(flat), len(groups))

    sizes = total({path: np.ones_like(each) for path, each in alive.items()})
    living = total({path: each.astype(np.float64) for path, each in alive.items()})
    powers = {path: s.astype(np.float64) ** (2 if squared else 1) for path, s in scores.items()}
    means = total(powers) / sizes
    fixed = groups < 0
    _check(groups, sizes, living, fixed, sparsity)
    ranked = np.where(living > 0, np.sqrt(means) if squared else means, -np.inf)
    within = budget_of(sizes.astype(np.int64), sparsity)
    keep = keep_within_budget(np.where(fixed, np.inf, ranked), *within)
    if (keep & (living == 0)).any():
        raise InputError(
            f"sparsity={sparsity} keeps more than the start has left; ask for a higher sparsity "
            "or draw from the dense network"
        )
    parts = dict(zip(scores, np.split(keep[where], ends), strict=True))
    spread = dict(zip(scores, np.split(ranked[where], ends), strict=True))
    masks = {path: np.broadcast_to(part, alive[path].shape) for path, part in parts.items()}
    shape = {path: (1,) * (each.ndim - 1) + (-1,) for path, each in alive.items()}
    return Kept(
        masks,
        {path: part.reshape(shape[path]) for path, part in parts.items()},
        {path: part.reshape(shape[path]) for path, part in spread.items()},
        [Ranking("", ranked[None], keep[None])],
    )


def _check(
    groups: np.ndarray, sizes: np.ndarray, living: np.ndarray, fixed: np.ndarray, sparsity: float
) -> None:
    budget = survivors(int(sizes.sum()), sparsity)
    if sizes[fixed].sum() > budget:
        raise InputError(
            f"sparsity={sparsity} keeps {budget:,} weights, and {int(sizes[fixed].sum()):,} are of "
            "channels that can never be removed whole; ask for less, or exclude their layers"
        )
    if ((living > 0) & (living < sizes)).any():
        count = int(((living > 0) & (living < sizes)).sum())
        raise InputError(
            f"{count:,} of {len(groups):,} groups are alive in part, so the start is not of "
            "pattern='channel_linked'; draw from the dense network"
        )
