"""Checkpoints of a run in progress, on Orbax, written in the background.

    checkpoints/<step>/           one checkpoint: arrays by path, and numbers that JSON holds
    checkpoints/<step>.score      its score, where that was not known yet when it was written
    checkpoints/<step>.damaged/   one that could not be read
    checkpoints/BEST              the steps that outlive the run, if any are to

A checkpoint appears under its name when it is complete and was read back, with digests of its
files, which are checked before it is read. The primary process alone writes and reads.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orbax.checkpoint as ocp

from rtickets.platform import console
from rtickets.platform.processes import is_primary, on_primary
from rtickets.storage import checkpoint_contents as contents
from rtickets.storage import checksums, guarded, orbax_files, workdirs
from rtickets.storage.files import read_json, write_json
from rtickets.storage.temporary import REMOVED, UNFINISHED

_BEST = "BEST"


class Retention(NamedTuple):
    """Which checkpoints are kept.

    Attributes:
        latest: how many of the newest; one more lies there until the next is begun.
        best: how many of those with the best score besides; these outlive the run.
    """

    latest: int = 2
    best: int = 0


class Restored(NamedTuple):
    """What was read: a pytree of host arrays, and the numbers beside them."""

    tree: Any
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run; made by `open_checkpoints`.

    Arrays are copied to the host before they are written, so that a step may reuse their buffers
    meanwhile.
    """

    def __init__(self, folder: Path, plain: Path, retention: Retention) -> None:
        """Bind the checkpoints to their folder, and to the path of it that Orbax is given."""
        self._folder, self._plain, self._retention = folder, plain, retention
        self._orbax = orbax_files.open_orbax(self._seal) if is_primary() else None
        self._writing, self._arrays = 0, contents.Arrays()
        self._scores: dict[int, float | None] = {}

    def steps(self) -> list[int]:
        """Return the steps of the complete checkpoints in rising order."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        names = {path.name for path in found if path.name.isdecimal()}
        return sorted(step for step in map(int, names) if str(step) in names)

    def save(
        self, step: int, tree: Any, meta: Mapping[str, Any], score: float | None = None
    ) -> None:
        """Write a checkpoint in the background, once the one before is written.

        Args:
            step: its name; if it exists, its score is added where it has none, and no more.
            meta: numbers that JSON can hold.
            score: what the best checkpoints are chosen by, the higher the better.

        Raises:
            OSError: if the checkpoint before could not be written.
        """
        if self._orbax is None:
            return
        # Before anything is removed: only what is whole by now may take the place of older ones.
        self.wait()
        self._prune()
        workdirs.wrote(self._folder.parent)  # what the checkpoint counts on, as lines of metrics
        if step in self.steps():
            self._add_score(step, score)
            return
        arrays = contents.arrays_of(tree)
        described = {"meta": dict(meta), "score": score, "layout": contents.layout(arrays)}
        guarded.own_folder(self._folder)
        self._writing, self._arrays, self._scores[step] = step, arrays, score
        with orbax_files.as_os_error(self._folder):
            self._orbax.save(
                self._plain / str(step),
                args=ocp.args.Composite(
                    tree=ocp.args.StandardSave(arrays), meta=ocp.args.JsonSave(described)
                ),
            )

    def _add_score(self, step: int, score: float | None) -> None:
        """Store a score beside its checkpoint, which may be from a stop before the validation."""
        if score is not None and self._score(step) is None:
            write_json(self._score_file(step), {"score": score})
            self._scores[step] = score

    def _score_file(self, step: int) -> Path:
        return self._folder / f"{step}.score"

    def _seal(self) -> None:
        (written,) = self._folder.glob(f"{self._writing}{UNFINISHED}*")
        orbax_files.check_readable(self._plain / written.name / "tree", self._arrays)
        self._arrays = {}
        checksums.seal(written, ("tree", "meta"))
        workdirs.sealed(written, self._folder / str(self._writing))

    def wait(self) -> None:
        """Wait until the newest checkpoint is written; raise OSError if it could not be."""
        if self._orbax is not None:
            with orbax_files.as_os_error(self._folder):
                self._orbax.wait_until_finished()

    def restore(self, like: Any) -> Restored | None:
        """Read the newest sound checkpoint, in every process; set damaged ones aside and say so.

        Args:
            like: pytree of arrays of the expected structure, shapes and dtypes.

        Returns:
            What was saved; None where there is no sound checkpoint.

        Raises:
            InputError: for a sound checkpoint of another structure.
        """
        expected, arrays = contents.arrays_of(like), {}

        def newest() -> dict[str, Any] | None:
            self._clear()
            for step in reversed(self.steps()):
                folder = self._folder / str(step)
                # Before Orbax reads a byte: what it does with damaged files is not ours to know.
                if damage := checksums.find_damage(folder):
                    _set_aside(folder, damage)
                    continue
                described = self._restore(step, meta=ocp.args.JsonRestore()).meta
                if not contents.is_description(described):
                    _set_aside(folder, "meta is none of a checkpoint")
                    continue
                contents.check_layout(folder, described["layout"], expected)
                tree = self._restore(step, tree=ocp.args.StandardRestore(expected)).tree
                arrays.update({path: np.asarray(leaf) for path, leaf in tree.items()})
                return described["meta"]
            return None

        meta = on_primary(newest)
        if meta is None:
            return None
        # Other processes have read nothing; what they give has the right shapes, and is not used.
        found = {path: arrays.get(path, leaf) for path, leaf in expected.items()}
        return Restored(contents.tree_of(contents.broadcast(found), like), meta)

    def close(self) -> None:
        """Wait for what is being written, and keep only what is to be kept."""
        if self._orbax is not None:
            self.wait()
            self._prune()
            self._orbax.close()

    def _clear(self) -> None:
        """Remove what a killed process was writing or deleting."""
        for pattern in (f"*{UNFINISHED}*", f"*{REMOVED}"):
            for path in self._folder.glob(pattern):
                guarded.remove(path)

    def _restore(self, step: int, **items: Any) -> Any:
        assert self._orbax is not None
        return self._orbax.restore(self._plain / str(step), args=ocp.args.Composite(**items))

    def _prune(self) -> None:
        """Remove the checkpoints that need not be kept."""
        best = self._best()
        for step in self.steps()[: -self._retention.latest]:
            if step not in best:
                path = self._folder / str(step)
                self._score_file(step).unlink(missing_ok=True)
                path = path.rename(path.with_name(f"{step}{REMOVED}"))  # whole or not at all
                guarded.remove(path)
        if best:
            write_json(self._folder / _BEST, best)

    def _best(self) -> list[int]:
        """Return the steps with the best scores, the earlier of equals first."""
        if not self._retention.best:
            return []
        scores = {step: self._score(step) for step in self.steps()}
        known = {step: score for step, score in scores.items() if score is not None}
        return sorted(known, key=lambda step: (-known[step], step))[: self._retention.best]

    def _score(self, step: int) -> float | None:
        if step not in self._scores:
            sound = checksums.find_damage(self._folder / str(step)) is None
            stored = self._restore(step, meta=ocp.args.JsonRestore()).meta if sound else {}
            if self._score_file(step).is_file():
                stored = read_json(self._score_file(step))
            score = stored.get("score") if isinstance(stored, dict) else None
            self._scores[step] = score if isinstance(score, float | int) else None
        return self._scores[step]


def _set_aside(folder: Path, damage: str) -> None:
    aside = folder.with_name(f"{folder.name}.damaged")
    console.say(f"{folder} is damaged and passed over ({damage}); it is kept as {aside.name}")
    guarded.remove(aside)
    folder.rename(aside)
    folder.with_name(f"{folder.name}.score").unlink(missing_ok=True)


@contextmanager
def open_checkpoints(folder: Path, retention: Retention) -> Iterator[Checkpoints]:
    """Open the checkpoints of a run; on leaving, pending writes are waited for.

    Args:
        folder: made with the first checkpoint.
        retention: which checkpoints are kept.

    Raises:
        InputError: for a link in the place of the folder.
        OSError: if the last checkpoint could not be written.
    """
    guarded.check_no_link(folder)
    with orbax_files.quiet(), guarded.plain_path(folder.parent) as parent:
        checkpoints = Checkpoints(folder, parent / folder.name, retention)
        try:
            yield checkpoints
        finally:
            checkpoints.close()


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a complete run, but for the best if these were asked for."""
    if folder.is_symlink():
        return
    try:
        best = {str(step) for step in json.loads(guarded.read_bytes(folder / _BEST))}
    except (OSError, ValueError, TypeError, RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path.name not in {_BEST, *best}:
            with suppress(OSError):
                guarded.remove(path)
