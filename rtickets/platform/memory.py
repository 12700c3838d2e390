"""Memory that a step frees and the next one takes again, kept by the process meanwhile.

A compiled step takes hundreds of megabytes at once and frees them in the end. glibc returns blocks
of that size to the system, which hands out cleared pages anew, one fault each, at every step.
"""

import ctypes
import os

_ARENAS, _MAPPED, _TRIM = -8, -4, -1  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD of mallopt(3)
_CHOSEN = "MALLOC_"  # environment variables of glibc's own: whoever set one has chosen


def keep_freed() -> bool:
    """Keep what is freed until the process ends, and return whether that could be arranged.

    Call it before JAX starts: threads keep the arena that they have. It counts for this process
    alone; where the C library knows no `mallopt`, or the user has set it up, it does nothing.
    """
    if any(name.startswith(_CHOSEN) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    # one arena, as the others are of 64 MB at most; no block of its own; nothing given back
    wanted = ((_ARENAS, 1), (_MAPPED, 0), (_TRIM, -1))
    return all(mallopt(name, value) == 1 for name, value in wanted)
