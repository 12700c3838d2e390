"""What failed, so that it is neither lost nor repeated until somebody asks for it.

A training that diverges does so again: its folder keeps a file `FAILED` with the reason, and
whoever needs the stage meets the reason at once instead of the whole training.
"""

from pathlib import Path

from rtickets.storage import guarded
from rtickets.storage.files import remove_file, write_text

_FILE = "FAILED"


def remember(folder: Path, reason: str) -> None:
    """Write down that the stage of a folder failed."""
    write_text(folder / _FILE, reason)


def reason_of(folder: Path) -> str | None:
    """Return what the stage of a folder failed with, or None."""
    try:
        return guarded.read_text_of_ours(folder / _FILE) or "its reason is not known"
    except FileNotFoundError:
        return None


def forget(folder: Path) -> None:
    """Forget that the stage of a folder failed, so that it is tried again."""
    remove_file(folder / _FILE)
