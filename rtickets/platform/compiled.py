"""Compiled programs let go before they fill what the system allows a process to map.

Every program that XLA compiles on a CPU is mapped into memory in several pieces, and JAX keeps
programs for as long as the process runs. Linux allows a process 65,530 pieces; beyond them the next
program cannot be loaded, and the process dies of it, however much memory is free. A comparison of a
hundred trainings comes there.
"""

from pathlib import Path

import jax

_PIECES, _MOST = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
_PART = 0.4  # of what is allowed, at which programs go; a stage may compile as much again


def make_room() -> bool:
    """Let go of all compiled programs if they take much of what the process may map.

    Programs in use are compiled again, or read from the cache of `rtickets.cli.start`. Where the
    system does not say how much is mapped, nothing happens.

    Returns:
        Whether they went.
    """
    try:
        pieces, most = _PIECES.read_bytes().count(b"\n"), int(_MOST.read_text())
    except (OSError, ValueError):
        return False
    if pieces < _PART * most:
        return False
    jax.clear_caches()
    return True
