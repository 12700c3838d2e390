"""Whether tickets match the dense network: criteria, and what several of them say together.

A ticket *matches* on a task if, trained there in the same way and for as long, its score is at
least the dense network's, in the mean over seeds: 'strict', or 'within_std', where it may be lower
by one standard deviation of the dense network's seeds. It is *winning* if its weights are those of
the pretrained network too, *universal* for some tasks if it matches on all of them, and
*double-win* if it matches in accuracy when trained naturally, and in accuracy and robust accuracy
when trained adversarially (Chen et al. 2021 and 2022). The highest matching sparsity is the largest
at which it holds, whatever holds below. Means of as many right answers are the same score, however
floats round them.

Functions take what is known at every sparsity: True, False, or None where that is not known.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, get_args

from rtickets.errors import InputError

Criterion = Literal["strict", "within_std"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
Known = Mapping[float, bool | None]
_ROUNDING = 1e-9  # of a score: far above what floats round, far below an example of a test set


class Level(NamedTuple):
    """A score over seeds.

    Attributes:
        mean: over them.
        std: the sample standard deviation; None of one seed.
        seeds: how many.
    """

    mean: float
    std: float | None
    seeds: int


def level(values: Iterable[float]) -> Level:
    """Return the level of scores, one a seed.

    Raises:
        InputError: if there are none.
    """
    listed = list(values)
    if not listed:
        raise InputError("a level needs the score of one seed at least; got none")
    mean = math.fsum(listed) / len(listed)
    if len(listed) == 1:
        return Level(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in listed) / (len(listed) - 1)
    return Level(mean, math.sqrt(variance), len(listed))


def matches(
    score: float, reference: Level, criterion: Criterion = "strict", higher_is_better: bool = True
) -> bool | None:
    """Return whether a mean score is as good as a reference, None where that cannot be said.

    Raises:
        InputError: for an unknown criterion.
    """
    if criterion not in CRITERIA:
        known = ", ".join(map(repr, CRITERIA))
        raise InputError(f"criterion={criterion!r} is unknown; choose one of {known}")
    if criterion == "strict":
        allowed: float | None = 0.0
    else:
        allowed = reference.std
    if allowed is None:  # one seed has no deviation
        return None
    behind = reference.mean - score if higher_is_better else score - reference.mean
    return behind <= allowed + _ROUNDING * max(abs(score), abs(reference.mean))


def together(parts: Iterable[Known]) -> dict[float, bool | None]:
    """Return where all hold, at the sparsities that all have: False if any does not."""
    listed = list(parts)
    if not listed:
        return {}
    common = [each for each in listed[0] if all(each in part for part in listed)]
    return {sparsity: _all([part[sparsity] for part in listed]) for sparsity in common}


def _all(held: list[bool | None]) -> bool | None:
    if False in held:
        return False
    return None if None in held else True


def highest(known: Known) -> float | None:
    """Return the largest sparsity at which it holds, None where it holds at none."""
    return max((sparsity for sparsity, held in known.items() if held), default=None)


def is_known(known: Known) -> bool:
    """Whether it can be said anywhere."""
    return any(held is not None for held in known.values())


def double_win(natural: Known, robust: Known, under_attack: Known) -> dict[float, bool | None]:
    """Return where a ticket wins twice.

    RA after natural training is near zero for tickets and dense networks alike, so it is not asked.

    Args:
        natural: whether it matches in SA, trained naturally.
        robust: in SA, trained adversarially.
        under_attack: in RA, trained adversarially.
    """
    return together((natural, robust, under_attack))
