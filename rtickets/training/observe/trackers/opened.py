"""Trackers while they are open: one that fails is told of once and left, and the run goes on.

One that takes seconds to fail, as where there is no network, would hold up every run of a study
anew: the runs of this process that begin within the next minutes leave it out.
"""

import importlib.util
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.errors import InputError
from rtickets.platform import console, foreign
from rtickets.storage.files import read_json
from rtickets.training.observe.trackers.registry import TRACKERS
from rtickets.training.observe.trackers.tracker import Opening, Outcome, Tracker, numbers_of

_SLOW, _MINUTES = 2.0, 10  # seconds to fail that are told apart; for how long it is left out
_left_until: dict[str, float] = {}


def check_trackers(names: Collection[str]) -> None:
    """Raise InputError for a tracker that is unknown or whose package is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise InputError(f"there is no tracker {name!r}; there are {', '.join(TRACKERS)}")
        kind = TRACKERS[name]
        if importlib.util.find_spec(kind.package) is None:
            raise InputError(
                f"the tracker {name} needs {kind.package}: pip install 'rtickets[{kind.extra}]', "
                f"or leave it out (--track={name})"
            )


class OpenTrackers:
    """The trackers of one run.

    Whatever a tracker raises but an `InputError` while it opens ends that tracker alone.
    """

    def __init__(self, names: Sequence[str], opening: Opening) -> None:
        """Open them; see `open_trackers`."""
        self._open: dict[str, Tracker] = {}
        for name in names:
            started = time.monotonic()
            if started < _left_until.get(name, started):
                continue
            try:
                self._open[name] = TRACKERS[name].open(opening)
            except InputError:  # a link where its files should be: the run would be refused, too
                self.close()
                raise
            except Exception as error:
                self._leave(name, error, started)

    def _leave(self, name: str, error: Exception, started: float) -> None:
        self._open.pop(name, None)
        now, also = time.monotonic(), ""
        if now - started > _SLOW:
            _left_until[name] = now + 60 * _MINUTES
            also = f", by others of the next {_MINUTES} minutes, too"
        why = foreign.as_line(error)
        console.say(f"the tracker {name} failed and is left{also}; the run goes on: {why}")

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            started = time.monotonic()
            try:
                call(tracker)
            except Exception as error:
                self._leave(name, error, started)

    def write(self, group: str, line: Mapping[str, Any], time: float) -> None:
        """Add the numbers of a line at its step; see `numbers_of`."""
        values = dict(numbers_of(group, line))
        if values:
            self._each(lambda tracker: tracker.write(values, line["step"], time))

    def replay(
        self, group: str, lines: Sequence[Mapping[str, Any]], times: Mapping[int, float]
    ) -> None:
        """Add the lines of an earlier part of the run, at the times when steps were measured."""
        time = min(times.values(), default=0.0)  # of a step that was not measured, that before it
        for line in (line for line in lines if isinstance(line.get("step"), int)):
            time = times.get(line["step"], time)
            self.write(group, line, time)

    def finish(self, outcome: Outcome) -> None:
        """Add what came out of the run."""
        self._each(lambda tracker: tracker.finish(outcome))

    def flush(self) -> None:
        """Hand on what was written."""
        self._each(lambda tracker: tracker.flush())

    def close(self) -> None:
        """Close them all."""
        self._each(lambda tracker: tracker.close())
        self._open = {}


def open_trackers(names: Sequence[str], folder: Path, *, again: bool) -> OpenTrackers:
    """Open the trackers of a run.

    Args:
        names: of `TRACKERS`, checked by `check_trackers`.
        folder: the run's folder, or one within it that holds a part of the run.
        again: see `Opening`.

    Raises:
        InputError: where a link stands in the place of what one would write.
    """
    own = folder if (folder / "config.json").is_file() else folder.parent
    name = folder.name if own == folder else f"{own.name}.{folder.name}"
    config = read_json(own / "config.json") if (own / "config.json").is_file() else {}
    return OpenTrackers(names, Opening(folder, name, config, again))
