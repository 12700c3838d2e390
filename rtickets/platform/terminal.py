"""Text of others on a terminal: names come from files, and a file may come from anybody.

Class names, paths, names of tensors and labels of attacks may hold escape sequences that rewrite
what a terminal shows, line breaks that forge a second line, signs that turn the direction of text,
and bytes that are no text at all. Every `InputError` and every line of progress passes through
`printable`; a name that is printed elsewhere does so on its own.
"""

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

from rtickets.errors import printable

_NOBODY_READS = (errno.EPIPE, errno.EIO)  # a closed pipe, a terminal that is gone


def show(text: object) -> None:
    """Print text in one line on standard output."""
    print(printable(text))


def never_fail_to_print(*, whatever_happens: bool = False) -> None:
    """Let standard output escape what its encoding lacks, as standard error does by itself.

    Args:
        whatever_happens: also let work go on when nobody reads its output any more: a pipe that was
            closed, a terminal that is gone or a stream that never was open takes what is written
            as before, and drops it. For processes that are ours alone.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if whatever_happens:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
            if isinstance(stream, io.TextIOWrapper):
                setattr(sys, name, _lasting(stream, all_errors=name == "stderr"))


def _lasting(stream: io.TextIOWrapper, *, all_errors: bool) -> io.TextIOWrapper:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(stream.fileno(), all_errors)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=all_errors or stream.isatty(),
    )


class _Lasting(io.RawIOBase):
    """A file descriptor that drops what is written once nobody reads it."""

    def __init__(self, descriptor: int, all_errors: bool) -> None:
        self._descriptor, self._all_errors, self._lost = descriptor, all_errors, False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        try:
            return len(data) if self._lost else os.write(self._descriptor, data)
        except BlockingIOError:
            return None
        except OSError as error:
            self._lost = True  # the error is told once
            if not self._all_errors and error.errno not in _NOBODY_READS:
                raise
            return len(data)
