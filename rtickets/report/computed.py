"""What the numbers of a study were computed with: of the study, and of every stage before it.

A study takes over stages that are done, which may be of another commit or device.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtickets.runs import environment

_FOLDERS = ("ticket", "trained", "evaluation")  # of a cell or source network


def study_environments(study: Path, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the distinct environments of a study and of the runs that its numbers are of.

    Args:
        study: its run folder.
        result: the study's, whose cells and source networks name the folders beside it.

    Returns:
        The study's own first. The last says of how many runs it is unknown, where it is: their
        folders are gone or lie elsewhere.
    """
    units = [*result["sources"], *result["cells"]]
    names = dict.fromkeys(unit[kind] for unit in units for kind in _FOLDERS if kind in unit)
    found, missing = environment.read(study), 0
    for name in names:
        own = environment.read(study.parent / name)
        missing += not own
        found += [each for each in own if each not in found]
    if missing:
        found.append(
            {"commit": f"unknown of {missing} of {len(names)} runs, whose folders are gone"}
        )
    return found
