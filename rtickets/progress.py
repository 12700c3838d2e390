"""How far a study is, in its folder, for all its workers.

units.json         what it measures: source networks and cells
done/NUMBER        an empty file for every unit that is done, whoever did it
"""

from pathlib import Path
from typing import Any

from rtickets import parallel
from rtickets.metrics import write_json

_UNITS, _DONE = "units.json", "done"


def begin(study: Path, units: list[dict[str, Any]]) -> None:
    """Write down what a study measures.

    Args:
        study: its folder.
        units: what it measures; the same list for every worker.
    """
    if parallel.is_primary():
        (study / _DONE).mkdir(exist_ok=True)
        if not (study / _UNITS).is_file():
            write_json(study / _UNITS, units)


def done(study: Path, number: int) -> bool:
    """Write down that a unit is done, once.

    Args:
        study: the study's folder.
        number: place of the unit in its list.

    Returns:
        Whether this is news.
    """
    if not parallel.is_primary():
        return False
    try:
        (study / _DONE / f"{number:05d}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
