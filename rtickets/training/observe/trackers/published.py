"""What trackers are told when a stage or a study is done."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.settings.config_files import to_paths
from rtickets.storage import workdirs
from rtickets.storage.files import read_json
from rtickets.training.observe.trackers.opened import open_trackers
from rtickets.training.observe.trackers.tracker import Outcome

_PAGES = ("report.html", "results.csv", "table.json")


def publish(folder: Path, names: Sequence[str]) -> None:
    """Tell trackers what came out of a complete run: results, pictures, page and ticket.

    Told again, as by the same command given once more, they have it once all the same.
    """
    if not names:
        return
    trackers = open_trackers(names, folder, again=False)
    trackers.finish(outcome_of(folder))
    trackers.close()
    for name in names:  # of a run in a bucket; those that lie in the run have a folder of its name
        if (folder / name).is_dir():
            workdirs.wrote(folder / name)


def outcome_of(folder: Path) -> Outcome:
    """Return what a complete run folder holds."""
    pictures = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for place in (folder, folder / "pictures")
        for path in sorted(place.glob("*.png"))
    }
    documents = {name: folder / name for name in _PAGES if (folder / name).is_file()}
    ticket = folder / "ticket"
    digest, found = "", None
    if (ticket / "ticket.json").is_file():
        digest = hashlib.sha256((ticket / "ticket.json").read_bytes()).hexdigest()
        found = ticket
    values = _numbers(read_json(folder / "result.json"))
    return Outcome(values, pictures, documents, found, digest)


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    return {
        path: float(value)
        for path, value in to_paths(result).items()
        if isinstance(value, int | float)
    }
