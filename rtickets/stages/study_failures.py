"""What ends a study, and what only one of its cells."""

import jax

from rtickets.errors import FailedBeforeError, InputError, NonFiniteLossError, Preempted
from rtickets.platform import preemption


def reason_of(error: Exception) -> str | None:
    """Return why a unit failed, or None for an error that ends the study.

    These are a disk or another process that fails, a request to stop, and what only one of several
    processes may have met: the others would wait for it.
    """
    if isinstance(error, FailedBeforeError):
        return error.reason
    if is_known(error):
        return str(error)
    ends = isinstance(error, (OSError, Preempted)) or preemption.interrupted()
    if ends or jax.process_count() > 1:
        return None
    lines = str(error).strip().splitlines() or ["it says nothing"]
    return f"{type(error).__name__}: {lines[0]}"


def is_known(error: Exception) -> bool:
    """Return whether an error says all there is to know; of others the place matters, too."""
    return isinstance(error, (InputError, NonFiniteLossError))
