"""How a run folder begins: made, held, cleared, with what it is to compute and on what."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rtickets.errors import InputError
from rtickets.runs import environment
from rtickets.storage import guarded, locks, run_files, temporary, workdirs
from rtickets.storage.files import remove_file, write_json

CONFIG = "config.json"
_FIRST = {CONFIG, environment.FILE}  # what a folder holds before anything is done


@contextmanager
def begun(folder: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Make a run folder, hold it, and clear away what a killed process was writing.

    A folder in which nothing was done is removed again where the block refuses the input.

    Args:
        folder: of the run.
        config: its configuration, as it is stored.

    Raises:
        InUseError: if another process is at work in the folder.
    """
    guarded.check_no_link(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with (
        guarded.removed_if_refused(made, _FIRST),
        locks.locked(folder),
        _withdrawn_if_refused(folder if made else None),
    ):
        _clear(folder)
        write_json(folder / CONFIG, config)
        environment.record(folder)
        yield


def _clear(folder: Path) -> None:
    """Remove what was being written, at any depth but in folders that several workers share."""
    for path in folder.iterdir():
        if temporary.is_ours(path.name):
            guarded.remove(path)
        elif path.is_dir() and not path.is_symlink() and path.name not in run_files.WHILE_AT_WORK:
            _clear(path)


@contextmanager
def _withdrawn_if_refused(folder: Path | None) -> Iterator[None]:
    """Remove from a bucket what a new folder began with, where the block refuses the input."""
    try:
        yield
    except InputError:
        if folder is not None and workdirs.address_of(folder) is not None:
            paths = [path for path in folder.iterdir() if path.name != locks.FILE]
            if {path.name for path in paths} <= _FIRST:
                for path in paths:
                    remove_file(path)
        raise
