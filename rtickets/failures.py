"""What failed, so that it is neither lost nor repeated until somebody asks for it.

A training that diverges does so again: its folder keeps a file `FAILED` with the reason, and
whoever needs the stage meets the reason at once instead of the whole training.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rtickets.errors import FailedBeforeError
from rtickets.metrics import write_text

T = TypeVar("T")
_FILE = "FAILED"
_LONGEST = 20_000  # bytes of a reason that are read


def remember(folder: Path, reason: str) -> None:
    """Write down that the stage of a folder failed."""
    write_text(folder / _FILE, reason)


def reason_of(folder: Path) -> str | None:
    """Return what the stage of a folder failed with, or None."""
    path = folder / _FILE
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(_LONGEST).decode(errors="replace")


def attempt(run: Callable[[], T], retry: bool, retried: set[Path]) -> T:
    """Run stages, and those again that failed before if that is asked for.

    Args:
        run: runs them, and raises FailedBeforeError at one that failed before.
        retry: whether to try such a stage again.
        retried: stages that were tried again already, which are not once more; more are added.

    Returns:
        What `run` returns.

    Raises:
        FailedBeforeError: for a stage that failed before and is not to be tried again.
    """
    while True:
        try:
            return run()
        except FailedBeforeError as error:
            if not retry or error.folder in retried:
                raise
            retried.add(error.folder)
            (error.folder / _FILE).unlink(missing_ok=True)
