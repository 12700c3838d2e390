"""Being asked to stop: by a signal that a scheduler, a closing terminal or the keyboard sends.

A thread hears the signals, for Python's own handlers wait while the main thread compiles or waits
for a device. Work in progress asks `requested()` wherever it can stop, saves itself and raises
`Preempted`. Where it does not come to that in time, the thread ends the process: what is on disk
is whole at any moment. An interrupt from the keyboard is such a request where something can be
saved, which `saving` marks, and ends everything else at once.

The notice lies in a context variable: whatever may run for long asks for it, also functions of the
public API that know nothing of processes, and outside of `listening` the answer is always no.
"""

import atexit
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from rtickets.errors import Preempted
from rtickets.platform import statuses
from rtickets.platform.signals import Notice

if TYPE_CHECKING:
    from rtickets.platform.parallel import Devices

SIGNALS = statuses.SIGNALS
_GRACE_SECONDS = 25.0
_LATE = 2  # dispatches that may be under way before the host waits for an answer


_NOTICE: ContextVar[Notice | None] = ContextVar("preemption", default=None)


@contextmanager
def listening(
    grace_seconds: float = _GRACE_SECONDS, *, until_exit: bool = False
) -> Iterator[Notice | None]:
    """Hear the signals in `SIGNALS`, and the keyboard's; only the main thread can.

    What the process that started this one ignores stays ignored, as `nohup` does with SIGHUP.

    An interrupt is raised once in a process that is ours alone: whoever catches it is not
    interrupted, and a second one ends the process. Until `Notice.begin` the first one does.

    Args:
        grace_seconds: end the process so long after the first signal, wherever it is, and at once
            at a second signal.
        until_exit: the process is ours alone. Go on after the block until it has ended, so that a
            signal in its last moments does not change its status; the caller says which that is by
            `leave_with`.

    Yields:
        The notice; None where this is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    notice = Notice(own_process=until_exit)
    if until_exit:
        sys.unraisablehook = partial(notice.on_unraisable, hook=sys.unraisablehook)
    thread = threading.Thread(target=notice.listen, args=(grace_seconds,), daemon=True)
    thread.start()
    # Before the handlers: a signal that came in between would reach nobody.
    previous_fd = signal.set_wakeup_fd(notice.descriptor(), warn_on_full_buffer=False)
    handlers = _set_handlers(notice)
    token = _NOTICE.set(notice)
    try:
        yield notice
    finally:
        _NOTICE.reset(token)
        if until_exit:
            atexit.register(_ignore, list(handlers), notice)
        else:
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.set_wakeup_fd(previous_fd)
            notice.close(thread)


def _set_handlers(notice: Notice) -> "dict[int, Any]":
    """Let Python write the numbers of signals to the notice; return the handlers before."""

    def nothing(number: int, frame: FrameType | None) -> None:
        del number, frame

    handlers: dict[int, Any] = {}
    for number in (*SIGNALS, signal.SIGINT):
        optional = number in (signal.SIGHUP, signal.SIGINT)
        if not (optional and signal.getsignal(number) == signal.SIG_IGN):
            own = notice.interrupt if number == signal.SIGINT else nothing
            handlers[number] = signal.signal(number, own)
    return handlers


def _ignore(numbers: list[int], notice: Notice) -> None:
    """Ignore signals while the interpreter ends, which undoes all handlers."""
    del notice  # until here it had to be heard
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def saving() -> Iterator[None]:
    """Mark a block that asks `requested` or `heard` often and saves itself before it stops."""
    notice = _NOTICE.get()
    if notice is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    notice.saving += 1
    try:
        yield
    finally:
        notice.saving -= 1


def status() -> int:
    """Return the exit status of a process that was asked to stop."""
    notice = _NOTICE.get()
    return statuses.STOPPED if notice is None else notice.status


def is_own_process() -> bool:
    """Return whether this process is a command's alone, see `listening`."""
    notice = _NOTICE.get()
    return notice is not None and notice.own_process


def interrupted() -> bool:
    """Return whether what is raised now may come of an interrupt that was raised before."""
    notice = _NOTICE.get()
    return notice is not None and notice.interrupted


def heard() -> bool:
    """Return whether this process was asked to stop.

    It is for work that each process does at its own pace; see `requested` for work in step.
    """
    notice = _NOTICE.get()
    return notice is not None and notice.heard.is_set()


def requested() -> bool:
    """Return whether to save and stop here: whether any process was asked to.

    Every process must ask at the same points of the same work, and all get the same answer.
    """
    if _NOTICE.get() is None:
        return False
    from rtickets.platform import processes  # JAX, which most verbs never need

    return processes.any_process(heard())


def check() -> None:
    """Raise `Preempted` if stopping was asked for, where there is nothing to save."""
    if requested():
        raise Preempted("asked to stop")


def late_check(devices: "Devices") -> Callable[[], None]:
    """Return a `check` for between dispatches, which does not wait for those under way.

    Of several processes, which must all call it at the same points, the first call waits for all.
    Each later one begins to ask all, behind what was dispatched before, and goes by the answer to
    the second call before it. With one process it is `check` itself.

    Args:
        devices: what the dispatches run on.
    """
    import jax
    import numpy as np

    if jax.process_count() == 1 or _NOTICE.get() is None:
        return check
    answers: deque[Any] = deque()

    def late() -> None:
        if not answers:
            check()
        answers.append(_sum_over(devices)(np.full(len(devices.local), heard(), np.int32)))
        if len(answers) > _LATE and int(answers.popleft()):
            raise Preempted("asked to stop")

    return late


@lru_cache(maxsize=4)
def _sum_over(devices: "Devices") -> Any:
    from rtickets.platform import parallel

    return parallel.parallel(parallel.total, in_axes=(0,), devices=devices)
