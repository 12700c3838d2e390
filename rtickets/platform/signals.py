"""What a process hears of signals, and how it ends where nothing else can end it.

An exception from the keyboard may come anywhere in the main thread, also where it is printed and
dropped (destructors), logged or turned into another (event loops, callbacks), or where it aborts
the process (modules in C that are being imported). None of this shows in a process of our own.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from rtickets.platform import statuses

_ONE_NOTICE_SECONDS = 1.0  # launchers send a signal to the group and to the process
_ONE_PRESS_SECONDS = 0.2
_SHOW_CURSOR = b"\x1b[?25h"


class Notice:
    """What was heard; `listen` runs in a thread of its own.

    Attributes:
        heard: whether the process was asked to stop.
        status: what the process ends with if that does not come to pass in time.
        saving: how many blocks of `saving` the main thread is in.
        interrupted: whether the keyboard's interrupt was raised in a process that is ours alone,
            where that is done once.
    """

    def __init__(self, *, own_process: bool = False) -> None:
        self.heard = threading.Event()
        self.status = statuses.STOPPED
        self.saving = 0
        self.own_process, self._begun = own_process, not own_process
        self._leaving = self.interrupted = False
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)

    def begin(self) -> None:
        """Take note that somebody catches interrupts from here on."""
        self._begun = True

    def leave_with(self, status: int) -> None:
        """Take note that all is done, and that nothing but this status is left to be told."""
        self.status, self._leaving = status, True

    def listen(self, grace_seconds: float) -> None:
        """Wait for a signal, and end the process at a second one or when the time is over."""
        first = self._next(None)
        if first is None:
            return
        if not self._leaving:
            self._hear(first)
        end = time.monotonic() + grace_seconds
        pause = _ONE_PRESS_SECONDS if first == signal.SIGINT else _ONE_NOTICE_SECONDS
        one_notice = time.monotonic() + pause
        while (left := end - time.monotonic()) > 0:
            try:
                again = self._next(left)
            except TimeoutError:
                break
            if again is None:
                return
            if time.monotonic() > one_notice:
                self._exit("asked to stop once more")
        self._exit(f"no time to save within {grace_seconds:g} s")

    def _hear(self, number: int) -> None:
        if number == signal.SIGINT:
            self.status = statuses.INTERRUPTED
            if self.saving:
                _tell("interrupted, and saving; a second time ends it at once")
        self.heard.set()

    def _next(self, seconds: float | None) -> int | None:
        """Return the next signal that matters, None where nobody listens any more."""
        self._ours.settimeout(seconds)
        while received := self._ours.recv(1):
            if received[0] in (*statuses.SIGNALS, signal.SIGINT):
                return received[0]
        return None

    def _exit(self, why: str) -> None:
        if not self._leaving:
            _tell(f"{why}; the same command goes on from what was saved last")
        if os.isatty(2):
            _write(_SHOW_CURSOR)
        os._exit(self.status)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle an interrupt in the main thread."""
        del number
        asked_before = self.heard.is_set() and self.status != statuses.INTERRUPTED
        if self.saving or self._leaving or asked_before or self.interrupted:
            return
        if not self._begun or (self.own_process and _is_importing(frame)):
            self._end_interrupted()
        if self.own_process:
            self.interrupted = True
            logging.disable()  # of what the exception ends, some libraries log a traceback
        raise KeyboardInterrupt

    def _end_interrupted(self) -> None:
        self.status = statuses.INTERRUPTED
        _tell("interrupted; the same command goes on")
        os._exit(self.status)

    def on_unraisable(self, about: "sys.UnraisableHookArgs", hook: Callable[[Any], Any]) -> None:
        """Do in the place of `sys.unraisablehook` what an interrupt in a destructor asks for."""
        if not self.interrupted:
            hook(about)
        elif issubclass(about.exc_type, KeyboardInterrupt):  # nobody else would hear of it
            self._end_interrupted()

    def descriptor(self) -> int:
        """Return where Python writes the numbers of signals to."""
        return self._theirs.fileno()

    def close(self, thread: threading.Thread) -> None:
        """End `listen`, which a thread runs."""
        self._theirs.close()
        thread.join()
        self._ours.close()


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported; some print or abort at exceptions that come just then."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _tell(what: str) -> None:
    _write(f"rtickets: {what}\n".encode())


def _write(data: bytes) -> None:
    with suppress(OSError):  # the terminal may be gone
        os.write(2, data)
