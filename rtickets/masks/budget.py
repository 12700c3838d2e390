"""Budgets: how many weights survive, in all and in every layer."""

import math
from collections.abc import Mapping

import numpy as np

from rtickets.masks.arguments import check_share


def survivors(total: int, sparsity: float) -> int:
    """Return how many of `total` weights, or groups of weights, a ticket keeps.

    It is `total - round(total * sparsity)`, as a Python integer and at least 1 when `total` is; a
    sparsity outside [0, 1) is refused.
    """
    check_share("sparsity", sparsity, "; it is the removed fraction, so 0.9 keeps 10%")
    return max(total - round(total * sparsity), min(total, 1))


def erk_densities(weights: Mapping[str, np.ndarray], sparsity: float) -> dict[str, float]:
    """Return the share of weights every layer keeps under the Erdos-Renyi-Kernel rule.

    A layer's density, in (0, 1], is proportional to the sum of its dimensions over their product
    (Evci et al. 2020, section 3); layers that would need more than all their weights stay dense and
    the others share what is left. With the sizes densities add up to the budget. Only shapes are
    read of the weights.
    """
    sizes = {path: leaf.size for path, leaf in weights.items()}
    raw = {path: sum(leaf.shape) / leaf.size for path, leaf in weights.items()}
    dense: set[str] = set()
    while len(dense) < len(sizes):
        budget = (1 - sparsity) * sum(sizes.values()) - sum(sizes[path] for path in dense)
        scale = budget / sum(raw[path] * sizes[path] for path in sizes if path not in dense)
        full = {path for path in sizes if path not in dense and scale * raw[path] > 1}
        # Each layer that is made dense takes budget from the others, so this is asked anew.
        if not full:
            return {path: 1.0 if path in dense else scale * raw[path] for path in sizes}
        dense |= full
    return dict.fromkeys(sizes, 1.0)


def share_out(
    totals: Mapping[str, int], densities: Mapping[str, float], sparsity: float
) -> dict[str, int]:
    """Turn densities into whole numbers of weights or groups (largest remainders).

    Args:
        totals: number of weights or groups by path.
        densities: share to keep by path.
        sparsity: removed fraction over all paths.

    Returns:
        Numbers in [0, total] by path. They add up to the rounded sum of totals times densities, at
        least 1, and to exactly `survivors` where that sum is the budget, as it is when all groups
        have one size. Remainders that tie go to the earlier path.
    """
    ideal = {path: totals[path] * densities[path] for path in totals}
    kept = {path: min(math.floor(share), totals[path]) for path, share in ideal.items()}
    # Densities are shares of weights; of groups of several sizes they need not add up to `exact`.
    exact, wanted = survivors(sum(totals.values()), sparsity), sum(ideal.values())
    budget = exact if abs(exact - wanted) <= 0.5 + 1e-6 else max(round(wanted), min(exact, 1))
    missing = budget - sum(kept.values())
    by_remainder = sorted(totals, key=lambda path: kept[path] - ideal[path])
    with_room = [path for path in by_remainder if kept[path] < totals[path]]
    for path in with_room[:missing]:
        kept[path] += 1
    return kept
