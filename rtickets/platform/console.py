"""Progress for a person, of the primary process: bars on a terminal, plain lines in a pipe."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rtickets.errors import printable
from rtickets.platform.processes import is_primary

_SECONDS_BETWEEN_LINES = 15.0


class CountedWork:
    """One piece of work that is counted in images, or in other units."""

    def __init__(
        self, name: str, total: int, done: int, bars: Progress | None, unit: str = "images"
    ) -> None:
        self._unit = unit
        self._name, self._total, self._done, self._bars = printable(name), total, done, bars
        self._start, self._first = time.monotonic(), done
        self._printed = self._start
        self._row = (
            None
            if bars is None
            else bars.add_task(self._name, total=total, completed=done, text="")
        )
        self._note = ""

    def advance(self, images: int) -> None:
        """Count images as done."""
        self._done += images
        if self._bars is not None and self._row is not None:
            text = f"{self._speed} {self._note}"
            self._bars.update(self._row, advance=images, text=text)
        elif time.monotonic() - self._printed > _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            left = (self._total - self._done) / max(self.rate, 1e-9)
            share = self._done / max(self._total, 1)
            note = f", {self._note}" if self._note else ""
            _print(f"{self._name}: {share:.0%}, {self._speed}, {left:,.0f} s left{note}")

    def note(self, text: str) -> None:
        """Show a short text beside the rate."""
        self._note = printable(text)

    @property
    def rate(self) -> float:
        """Images per second since the task began."""
        return (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)

    @property
    def _speed(self) -> str:
        number = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.2g}"
        return f"{number} {self._unit}/s"

    @property
    def seconds(self) -> float:
        """Seconds since the task began."""
        return time.monotonic() - self._start

    def finish(self) -> None:
        """Say in one line what was done."""
        text = f"{self._name}: {self.seconds:.1f} s, {self._speed}"
        line = f"{text}, {self._note}" if self._note else text
        if self._bars is None:
            _print(line)
        else:
            self._bars.console.print(line, highlight=False, markup=False, emoji=False)


@contextmanager
def task(name: str, total: int, done: int = 0, unit: str = "images") -> Iterator[CountedWork]:
    """Show a piece of work while it goes on.

    Args:
        name: what it is called.
        total: how many images, or whatever the `unit` is.
        done: how many of them an earlier run did.
        unit: in the plural.

    Yields:
        The task; it says what was done when the block ends without an error.
    """
    alone = threading.current_thread() is threading.main_thread()  # bars of several would clash
    if not (alone and sys.stderr.isatty() and is_primary()):
        current = CountedWork(name, total, done, None, unit)
        yield current
        current.finish()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        current = CountedWork(name, total, done, bars, unit)
        yield current
        current.finish()


def say(text: str) -> None:
    """Print one line of progress."""
    _print(text)


def _print(line: str) -> None:
    if is_primary():
        print(printable(line), file=sys.stderr, flush=True)
