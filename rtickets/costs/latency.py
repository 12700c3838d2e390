"""How long networks take to answer, measured by turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

_LEAST = 0.02  # seconds of a turn, so that the clock is fine enough


def by_turns(
    calls: Mapping[str, Callable[[], Any]],
    turns: int = 9,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median seconds of a call, by name.

    Every turn goes round all of them, so that what else the machine does meets all alike. What is
    called once before, as to be compiled, does not count.

    Args:
        calls: return arrays, which are waited for.
        turns: how many.
        clock: what they are taken by.
    """
    counts = {name: _count_for(call, clock) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns):
        for name in sorted(calls, reverse=turn % 2 == 1):
            seconds[name].append(_seconds(calls[name], counts[name], clock))
    return {name: statistics.median(each) for name, each in seconds.items()}


def _count_for(call: Callable[[], Any], clock: Callable[[], float]) -> int:
    jax.block_until_ready(call())
    return max(1, round(_LEAST / max(_seconds(call, 2, clock), 1e-6)))


def _seconds(call: Callable[[], Any], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        jax.block_until_ready(call())
    return (clock() - start) / count
