"""Where the calls of the device end that a run is made of."""

import math
from collections.abc import Sequence


def dispatch_end(
    step: int, first: int, last: int, periods: Sequence[int], most: int, once: Sequence[int] = ()
) -> int:
    """Return where the dispatch ends that begins at a step, wherever the process began.

    Equal parts need one compiled program; a run that goes on has those of one that never stopped,
    and so adds up losses in the same groups.

    Args:
        step: number of steps done.
        first: that of the run's begin.
        last: that of its end.
        periods: numbers of steps; a dispatch ends at every multiple of one.
        most: steps in a dispatch.
        once: steps at which one ends besides.
    """
    before, after = [at for at in once if at <= step], [at for at in once if at > step]
    start = max(first, *before, *(step // period * period for period in periods))
    stop = min(last, *after, *((step // period + 1) * period for period in periods))
    length = math.ceil((stop - start) / math.ceil((stop - start) / most))
    return min(start + ((step - start) // length + 1) * length, stop)
