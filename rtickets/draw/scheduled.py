"""Drawing in rounds: score, remove some, score what is left, down to the sparsity asked for."""

from collections.abc import Mapping
from typing import Literal, get_args

from rtickets import masks
from rtickets.draw.criteria.base import ScoreFn
from rtickets.draw.omp import check_pattern, draw_omp, removed_before
from rtickets.draw.ranking import Scope
from rtickets.draw.ties import Say, warn
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.masks.arguments import check_integer
from rtickets.masks.patterns import GroupNorm
from rtickets.platform import preemption

Schedule = Literal["exponential", "linear"]


def draw_scheduled(
    params: Params,
    sparsity: float,
    score_fn: ScoreFn,
    rounds: int,
    schedule: Schedule = "exponential",
    pattern: str = "element",
    scope: Scope = "global",
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
    *,
    group_norm: GroupNorm = "l1",
    start: Mask | None = None,
    layouts: Mapping[str, str] | None = None,
    floor: float = 0.0,
    say: Say = warn,
) -> Mask:
    """Draw a mask in rounds, each scoring the network that the one before left.

    Nothing is trained in between. SynFlow takes 100 rounds on the exponential schedule (Tanaka et
    al. 2020), without which whole layers die. For what is not named here see `draw_omp`.

    Args:
        sparsity: fraction of the prunable weights to remove in all, in [0, 1).
        score_fn: maps (masked weights, their mask) to the scores that `draw_omp` takes; those of
            dead weights are not read.
        rounds: number of rounds, at least 1; N:M has one sparsity, so takes one.
        schedule: see `sparsity_schedule`.
        start: mask of weights that are pruned already; the schedule begins at its sparsity.
        floor: the part of every layer's weights or groups before the first round that all keep.
        say: of the rounds before the last it is told the first line alone.

    Returns:
        The mask of the last round, as exact as that of `draw_omp`. Every round's mask lies in the
        one before.

    Raises:
        InputError: for a bad number of rounds or schedule, and what `draw_omp` raises.
        Preempted: if the process was asked to stop.
    """
    check_integer("rounds", rounds, 1)
    if check_pattern(pattern, sparsity).name == "n:m" and rounds > 1:
        raise InputError(f"pattern={pattern!r} is drawn in one round; got rounds={rounds}")
    mask = masks.full(params, prunable, exclude) if start is None else start
    first = mask
    before = removed_before(params, start, prunable, exclude)
    earlier, told = None, list[str]()
    for number, reached in enumerate(sparsity_schedule(sparsity, rounds, schedule, before), 1):
        preemption.check()
        # A hundred rounds would say the same a hundred times: of those before the last, the first.
        if told and earlier is None:
            earlier = f"in round {number - 1} of {rounds}: {told[0]}"
        told = []
        # Of the network as the rounds before left it: a score of all at once misses dying layers.
        scores = score_fn(masks.apply(mask, params), mask)
        mask = draw_omp(
            params,
            reached,
            pattern,
            scope,
            prunable=prunable,
            exclude=exclude,
            scores=scores,
            group_norm=group_norm,
            start=mask,
            layouts=layouts,
            floor=floor,
            floor_of=first,
            say=told.append,
        )
    for text in told if earlier is None else [earlier, *told]:
        say(text)
    return mask


def sparsity_schedule(
    sparsity: float, rounds: int, schedule: Schedule = "exponential", start: float = 0.0
) -> list[float]:
    """Return the sparsity after every round.

    Args:
        schedule: 'exponential' keeps the same share of the survivors in every round, so that round
            r of R from a dense network ends at 1 - (1 - sparsity)^(r / R); 'linear' removes the
            same number of weights.
        start: sparsity before the first round; all rounds end at `sparsity` where that is smaller.

    Returns:
        One number per round; the last is exactly `sparsity`.

    Raises:
        InputError: for less than one round or an unknown schedule.
    """
    check_integer("rounds", rounds, 1)
    if schedule not in get_args(Schedule):
        known = ", ".join(get_args(Schedule))
        raise InputError(f"schedule={schedule!r} is unknown; choose one of {known}")
    start = min(start, sparsity)
    shares = [number / rounds for number in range(1, rounds)]
    if schedule == "linear":
        between = [start + (sparsity - start) * share for share in shares]
    else:
        between = [1 - (1 - start) * ((1 - sparsity) / (1 - start)) ** share for share in shares]
    return [*between, sparsity]  # exactly: the formula would round it
