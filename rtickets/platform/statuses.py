"""The exit statuses of the command: every way to end has one, see docs/reliability.md, Endings."""

import signal

DONE, FAILED, BAD_INPUT = 0, 1, 2
STOPPED = 75  # EX_TEMPFAIL of sysexits.h: asked to stop by a signal
INTERRUPTED = 128 + signal.SIGINT  # by the keyboard
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name)
)

ABORTED = 128 + signal.SIGABRT  # by JAX, when another process of several is lost, or by a fault
# A signal may come before Python hears any.
RESUMABLE = frozenset({STOPPED, *(128 + number for number in SIGNALS), ABORTED})


def of_process(returncode: int) -> int:
    """Return the status that a shell has for a process, from the return code of `subprocess`."""
    return returncode if returncode >= 0 else 128 - returncode


def is_resumable(returncode: int) -> bool:
    """Return whether a scheduler should start the same command again, as it goes on."""
    return of_process(returncode) in RESUMABLE
