"""A least share of every layer, which a ranking of all layers together would take from some."""

import math
from collections.abc import Callable, Mapping, Sequence

from rtickets.errors import InputError
from rtickets.masks.arguments import check_share

Count = Callable[[Sequence[str], int], Mapping[str, int]]
"""(layers that are ranked together, their budget) -> how many of each live."""


def check_floor(floor: float, pattern: str, scope: str) -> None:
    """Raise InputError for a floor outside [0, 1), or one where layers have budgets anyway."""
    check_share("floor", floor, "; it is the part that every layer keeps")
    if floor and (scope != "global" or pattern == "channel_linked" or pattern[0].isdigit()):
        raise InputError(
            f"floor={floor} is for scope='global' and patterns within a layer, not "
            f"scope={scope!r} and pattern={pattern!r}, where layers cannot take from each other or "
            "groups are of several; leave it out"
        )


def least_of(living: Mapping[str, int], floor: float) -> dict[str, int]:
    """Return how many of its living weights or groups every layer keeps in any case."""
    return {path: math.ceil(round(floor * number, 6)) for path, number in living.items()}


def held(
    least: Mapping[str, int], costs: Mapping[str, int], budget: int, count: Count
) -> list[str]:
    """Return the layers that a common ranking leaves less of than they keep in any case.

    These keep their least and their cost is taken from the budget of the others, which may bring
    more of them below theirs, and so on: what lives is what does if the best of every layer are
    ranked before everything else.

    Args:
        least: of every layer.
        costs: of keeping it, in the unit of the budget.
        budget: of all layers.
        count: ranks layers.

    Raises:
        InputError: if the budget is smaller than all of it.
    """
    if sum(costs.values()) > budget:
        raise InputError(
            f"the floor of every layer takes {sum(costs.values()):,} weights or groups, and the "
            f"sparsity leaves {budget:,}; lower the floor or the sparsity"
        )
    found: list[str] = []
    while free := [path for path in least if path not in found]:
        kept = count(free, budget - sum(costs[path] for path in found))
        under = [path for path in free if kept[path] < least[path]]
        if not under:
            break
        found += under
    return found
