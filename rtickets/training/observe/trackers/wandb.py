"""Weights & Biases: a run of theirs a run folder, by the name of the folder.

What is theirs to say stays theirs: WANDB_MODE, WANDB_PROJECT (default 'rtickets'), WANDB_ENTITY. A
run that goes on goes on there; offline, its files are written again from the start, and those of
the outcome whenever it is told.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rtickets.storage import guarded, workdirs
from rtickets.training.observe.trackers.tracker import Opening, Outcome

FOLDER, _OUTCOME = "wandb", "OUTCOME"  # the mark of files that hold what came out of a run
_SECONDS = 30.0  # that connecting, and handing over the last lines, may hold a run up


class Wandb:
    """The run of Weights & Biases of one run."""

    def __init__(self, opening: Opening) -> None:
        """Open the run, with its configuration."""
        import wandb

        settings: dict[str, Any] = {
            "console": "off", "silent": True, "disable_git": True, "save_code": False,
            "init_timeout": _SECONDS, "finish_timeout": _SECONDS,
        }  # fmt: skip
        guarded.check_no_link(opening.folder / FOLDER)
        if os.environ.get("WANDB_MODE") == "offline":
            _remove_earlier(opening)
        self._wandb = wandb
        self._name = re.sub(r"[^\w.-]", "_", opening.name)[-120:]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "rtickets"),
            id=self._name,
            name=opening.name,
            group=_name_of(opening.folder.parent),
            dir=str(opening.folder),
            config=dict(opening.config),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(**settings),
        )
        self._there = int(self._run.step)  # lines of earlier steps are there

    def write(self, values: Mapping[str, float], step: int, time: float) -> None:
        """Add a point to some curves."""
        if step >= self._there:
            self._run.log({**values, "time": time}, step=step)

    def finish(self, outcome: Outcome) -> None:
        """Add results, pictures, the page, and the ticket as an artifact with its digest."""
        self._run.summary.update(dict(outcome.values))
        shown = {name: self._wandb.Image(str(path)) for name, path in outcome.pictures.items()}
        if shown and not set(shown) <= set(self._run.summary.keys()):  # told of before
            self._run.log(shown)
        ticket = sorted(outcome.ticket.iterdir()) if outcome.ticket is not None else []
        self._keep("report", outcome.documents.values(), {})
        self._keep("ticket", ticket, {"sha256": outcome.digest})
        if os.environ.get("WANDB_MODE") == "offline":
            (Path(self._run.dir).parent / _OUTCOME).touch()

    def _keep(self, kind: str, files: Collection[Path], about: Mapping[str, str]) -> None:
        """Add files as one artifact, if there are any."""
        if files:
            artifact = self._wandb.Artifact(f"{kind}-{self._name}", type=kind, metadata=dict(about))
            for path in files:
                artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def flush(self) -> None:
        """Do nothing: a process of theirs sends as it comes."""

    def close(self) -> None:
        """Hand over what is left, for half a minute at most."""
        self._run.finish()


def _remove_earlier(opening: Opening) -> None:
    """Remove the files of which the same lines come again."""
    if opening.again:
        guarded.remove(opening.folder / FOLDER)
    for mark in (opening.folder / FOLDER).glob(f"*/{_OUTCOME}"):
        guarded.remove(mark.parent)


def _name_of(workdir: Path) -> str:
    """Return the last name of a working directory, in a bucket that of its address."""
    return (workdirs.address_of(workdir) or workdir.name).rpartition("/")[2]
