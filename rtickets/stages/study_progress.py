"""How far a study is, in its folder, for all its workers.

units.json         what it measures: source networks and cells, the same list for every worker
done/NUMBER        an empty file for every unit that is done, whoever did it
failed/NUMBER      the reason of every unit that failed

NUMBER is the unit's place in that list. The primary process alone writes.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from rtickets.platform import parallel
from rtickets.storage import guarded, workdirs
from rtickets.storage.files import make_empty, remove_file, write_json, write_text

_UNITS, _DONE, _FAILED = "units.json", "done", "failed"


def begin_study(study: Path, units: list[dict[str, Any]]) -> None:
    """Write down what a study measures."""
    if parallel.is_primary():
        guarded.own_folder(study / _DONE)
        guarded.own_folder(study / _FAILED)
        if not (study / _UNITS).is_file():
            write_json(study / _UNITS, units)


def done(study: Path, number: int) -> bool:
    """Write down that a unit is done, and return whether this is news; False in other processes."""
    if not parallel.is_primary():
        return False
    remove_file(_failure(study, number))
    return make_empty(study / _DONE / f"{number:05d}")


def open_again(study: Path, number: int) -> None:
    """Forget that a unit is done or failed."""
    if parallel.is_primary():
        remove_file(study / _DONE / f"{number:05d}")
        remove_file(_failure(study, number))


def failed(study: Path, number: int, reason: str) -> None:
    """Write down that a unit failed."""
    if parallel.is_primary():
        write_text(_failure(study, number), reason)


def forget_failures(study: Path) -> None:
    """Forget which units failed, so that they are tried again."""
    if parallel.is_primary():
        for path in (study / _FAILED).glob("[0-9]*"):
            remove_file(path)


def failures(study: Path) -> dict[int, str]:
    """Return the reasons of the units that failed, by their place."""
    workdirs.refresh(study)
    found = {}
    for path in sorted((study / _FAILED).glob("[0-9]*")):
        with suppress(ValueError, FileNotFoundError):
            found[int(path.name)] = guarded.read_text_of_ours(path) or "its reason is not known"
    return found


def _failure(study: Path, number: int) -> Path:
    return study / _FAILED / f"{number:05d}"
