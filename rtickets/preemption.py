"""Being asked to stop: by SIGTERM, or by SIGUSR1, which SLURM's `--signal=USR1@120` sends.

A thread hears the signals, for Python's own handlers wait while the main thread compiles or waits
for a device. Work in progress asks `requested()` wherever it can stop, saves itself and raises
`Preempted`. Where it does not come to that in time, the thread ends the process: what is on disk
is whole at any moment.

The notice lies in a context variable: whatever may run for long asks for it, also functions of the
public API that know nothing of processes, and outside of `listening` the answer is always no.
"""

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rtickets.errors import Preempted

if TYPE_CHECKING:
    from rtickets.parallel import Devices

EXIT_STATUS = 75  # EX_TEMPFAIL of sysexits.h
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_GRACE_SECONDS = 25.0
_LATE = 2  # dispatches that may be under way before the host waits for an answer
_ONE_NOTICE_SECONDS = 1.0  # launchers send a signal to the group and to the process


class _Notice:
    """What was heard; `listen` runs in a thread of its own."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def listen(self, signals: socket.socket, grace_seconds: float) -> None:
        while not self.heard.is_set():
            received = signals.recv(1)
            if not received:
                return
            if received[0] in SIGNALS:
                self.heard.set()
        first = time.monotonic()
        while (left := first + grace_seconds - time.monotonic()) > 0:
            signals.settimeout(left)
            try:
                received = signals.recv(1)
            except TimeoutError:
                break
            if not received:
                return
            if received[0] in SIGNALS and time.monotonic() - first > _ONE_NOTICE_SECONDS:
                _exit("asked to stop once more")
        _exit(f"no time to save within {grace_seconds:g} s")


_NOTICE: ContextVar[_Notice | None] = ContextVar("preemption", default=None)


def _exit(why: str) -> None:
    os.write(2, f"rtickets: {why}; the same command goes on from what was saved last\n".encode())
    os._exit(EXIT_STATUS)


@contextmanager
def listening(grace_seconds: float = _GRACE_SECONDS) -> Iterator[None]:
    """Hear the signals in `SIGNALS` while the block runs; only the main thread can.

    Args:
        grace_seconds: end the process with status 75 so long after the first signal, wherever it
            is, and at once at a second signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    notice = _Notice()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    thread = threading.Thread(target=notice.listen, args=(ours, grace_seconds), daemon=True)
    thread.start()
    previous_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    # handlers that do nothing, so that Python writes the signal's number to the socket
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    token = _NOTICE.set(notice)
    try:
        yield
    finally:
        _NOTICE.reset(token)
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(previous_fd)
        theirs.close()
        thread.join()
        ours.close()


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
    from rtickets import processes  # JAX, which most verbs never need

    return processes.any_process(heard())


def check() -> None:
    """Stop here if that was asked for and there is nothing to save.

    Raises:
        Preempted: if so.
    """
    if requested():
        raise Preempted("asked to stop")


def late_check(devices: "Devices") -> Callable[[], None]:
    """Return a `check` for between dispatches, which does not wait for those under way.

    Of several processes, the first call waits for all. Each later one begins to ask all, behind
    what was dispatched before, and goes by the answer to the second call before it.

    Args:
        devices: what the dispatches run on.

    Returns:
        The check, with one process `check` itself. Every process must call it at the same points.
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
    from rtickets import parallel

    return parallel.parallel(parallel.total, in_axes=(0,), devices=devices)
