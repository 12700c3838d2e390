"""Transfers of a study that are trained together.

Heads on cached features always are: all that a study has of them, as one program. Others are run
side by side, their steps taken as one, where that was measured to be faster
(`rtickets.stages.choosing`).

Which of them go together is a function of the study's configuration and of what was chosen when it
began, not of what is done already nor of how many workers there are. So a study that was killed,
and one with more workers, ends with the same numbers; those of single transfers are the same up to
rounding.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rtickets.errors import ChangedError, InUseError
from rtickets.platform import console, parallel, processes
from rtickets.runs import failures
from rtickets.runs.folders import RunFolder
from rtickets.stages.grid import Cell, grid, ticket_of, transfer_of
from rtickets.stages.side_by_side import may_meet, run_side_by_side, size_of
from rtickets.stages.study_failures import reason_of
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.study_tickets import Where
from rtickets.stages.transfer import Asked, transfer_together

TICKETS = 32  # whose heads are trained at once: more are hardly faster, and other workers wait


class Place(NamedTuple):
    """Where a study is run.

    Attributes:
        study: its folder.
        workdir: where run folders lie.
        devices: to compute on.
        alone: cells that could not be trained together with others; more are added.
    """

    study: Path
    workdir: Path
    devices: parallel.Devices
    alone: set[Cell]


def train_with_others(config: StudyConfig, cell: Cell, asked: Asked, place: Place) -> None:
    """Train the ticket of a cell, unless that is done, together with those of others if it pays.

    For that the tickets of the others are pretrained and drawn. What fails is left to the turn of
    its own cell, and so is everything that is not trained together.

    Args:
        asked: the transfer of the cell.

    Raises:
        InUseError: if another process is at work in any of the folders that are needed.
    """
    if cell in place.alone or processes.on_primary(lambda: _ended(asked.folder(place.workdir))):
        return
    every = alike(config, cell)
    size = equal_parts(len(every), _size(config, cell, asked, place, every))
    first = every.index(cell) // size * size
    cells = every[first : first + size]
    if len(cells) < 2:
        return
    together = _transfers(config, cells, place)
    for error in _train(list(together.values()), size, place):
        if (reason := reason_of(error)) is None:
            raise error
        console.say(f"{len(together)} tickets together: {reason}")
        place.alone.update(cells)


def alike(config: StudyConfig, cell: Cell) -> list[Cell]:
    """Return the cells of a transfer whose networks and source tasks are those of a cell's."""
    sources = [branches for _, branches in config.sources().values()]
    (own,) = (branches for branches in sources if cell.objective in branches)
    return [
        each for each in grid(config) if each.transfer == cell.transfer and each.objective in own
    ]


def equal_parts(count: int, most: int) -> int:
    """Return the size of parts of as many, none larger than `most`, that leaves fewest places."""
    return math.ceil(count / math.ceil(count / most))


def _size(
    config: StudyConfig, cell: Cell, asked: Asked, place: Place, every: Sequence[Cell]
) -> int:
    """Return how many are trained at once at most."""
    if asked.config.features == "cached":
        return config.together or TICKETS
    if len(every) < 2 or config.together == 1 or not may_meet(asked.config):
        return 1
    if config.together is not None:
        return config.together
    label = f"{cell.transfer} of {every[0].objective}"  # other branches may be other networks
    return size_of(place.study, label, asked, len(every), place.devices)


def _train(asked: Sequence[Asked], size: int, place: Place) -> Iterator[Exception]:
    """Train transfers, and yield what failed."""
    try:
        if asked[0].config.features == "cached":
            transfer_together(asked, place.workdir, place.devices)
        else:
            yield from run_side_by_side(asked, size, place.workdir, place.devices)
    except (InUseError, ChangedError):
        raise
    except Exception as error:
        yield error


def _ended(folder: RunFolder) -> bool:
    return folder.complete or failures.reason_of(folder.path) is not None


def _transfers(config: StudyConfig, cells: Sequence[Cell], place: Place) -> dict[str, Asked]:
    """Return the transfers of all cells whose tickets can be had, by their digests."""
    found: dict[str, Asked] = {}
    in_use: InUseError | None = None
    for cell in cells:
        try:
            ticket = ticket_of(config, cell, Where(place.workdir, place.devices))
            asked = transfer_of(config, cell, ticket)
        except InUseError as error:  # other workers may leave something to do beside them
            in_use = in_use or error
        except Exception as error:
            if isinstance(error, ChangedError) or reason_of(error) is None:
                raise
        else:  # ways of drawing may be equal
            found.setdefault(asked.folder(place.workdir).digest, asked)
    if in_use is not None:
        raise in_use
    return found
