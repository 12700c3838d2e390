"""Resuming: everything that a run needs to go on, and how it is saved and found again."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import TypeAdapter, ValidationError

from rtickets import training
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.storage import checkpoint_contents as contents
from rtickets.storage.checkpoints import Checkpoints


class Best(NamedTuple):
    """The best weights so far by their measure in a validation; step -1 before the first."""

    value: Any
    step: Any
    params: Params
    batch_stats: Any


class Tally(NamedTuple):
    """What is counted on the host.

    Attributes:
        logged: step of the last line of metrics, or the first step.
        validation: the last headline measure of a validation, or None before the first.
        loss: sum of the loss since that line.
        sums: what the task counted since, by name; numbers or nested lists of them, as JSON holds
            them: `arrays` are those that the task gave.
        examples: number of examples since.
        metrics: length of the metrics file in bytes, when it was saved.
        stopped: step at which the objective ended the run early, or None.
        broken: number of examples since that line whose attack met gradients that were not finite.
        broken_before: the same up to that line, from the run's first step.
        before: the last finite headline measure before `validation`, or None.
        changed: step of the last event of `rtickets.training.events`; -1 before the first.
    """

    logged: int
    validation: float | None = None
    loss: float = 0.0
    sums: dict[str, Any] = {}  # noqa: RUF012  # nobody writes into it
    examples: int = 0
    metrics: int = 0
    stopped: int | None = None
    broken: int = 0
    broken_before: int = 0
    before: float | None = None
    changed: int = -1

    def add(self, totals: training.Totals) -> "Tally":
        """Count what a dispatch returned."""
        return self._replace(
            loss=self.loss + float(totals.loss),
            sums={name: _sum(self.sums.get(name), each) for name, each in totals.sums.items()},
            examples=self.examples + int(totals.examples),
            broken=self.broken + int(totals.broken),
        )

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The sums as `Task.measures` takes them."""
        return {name: np.asarray(each) for name, each in self.sums.items()}

    def next_line(self, step: int) -> "Tally":
        """Begin to count anew after a line of metrics."""
        return Tally(
            step, self.validation, stopped=self.stopped,
            broken_before=self.broken_before + self.broken, before=self.before,
            changed=self.changed,
        )  # fmt: skip


def _sum(before: Any, more: Any) -> Any:
    """Add an array to numbers, wide enough for any number of steps, as JSON holds them."""
    wide = np.int64 if np.issubdtype(np.asarray(more).dtype, np.integer) else np.float64
    found = np.asarray(more, wide)
    return (found if before is None else np.asarray(before, wide) + found).tolist()


class Snapshot(NamedTuple):
    """Where a run is; its place in the data is a function of its step and seed.

    Attributes:
        state: what steps change.
        best: the best weights so far.
        mask: which weights live.
        key: typed PRNG key of the run.
        tally: what is counted on the host.
    """

    state: training.TrainState
    best: Best
    mask: Mask
    key: Array
    tally: Tally


def first_snapshot(state: training.TrainState, mask: Mask, seed: int) -> Snapshot:
    """Return the snapshot of a run before its first step; no weights are the best yet."""
    best = Best(np.float32(0), jnp.int32(-1), state.params, state.batch_stats)
    return Snapshot(state, best, mask, jax.random.key(seed), Tally(int(state.step)))


def save(
    checkpoints: Checkpoints,
    step: int,
    snapshot: Snapshot,
    about: dict[str, Any],
    score: float | None,
) -> None:
    """Save the snapshot of a step in the background.

    Args:
        about: what a reader of the file may want to know.
        score: what the best checkpoints are chosen by, or None for one that is not among them.
    """
    *arrays, tally = snapshot
    checkpoints.save(step, tuple(arrays), {**about, "tally": tally._asdict()}, score)


def restore(checkpoints: Checkpoints, start: Snapshot) -> Snapshot:
    """Return the newest snapshot that is sound, on the host, or the run before its first step.

    It is that of the primary process in all, which alone reads checkpoints.
    """
    *arrays, tally = start
    found = checkpoints.restore(tuple(arrays))
    if found is None:
        state, best, mask, key = contents.of_primary(tuple(arrays))
    else:
        (state, best, mask, key), tally = found.tree, _tally(found.meta.get("tally"))
    return Snapshot(state, best, mask, key, tally)


def _tally(values: Any) -> Tally:
    """Return what a checkpoint says was counted.

    Raises:
        InputError: if that is no tally of this version of the package.
    """
    try:
        return TypeAdapter(Tally).validate_python(values)
    except ValidationError as error:
        problems = "; ".join(f"{one['loc']}: {one['msg']}" for one in error.errors()[:3])
        raise InputError(
            f"a checkpoint was saved by another version of the package ({problems}); finish the "
            "run with that version, or remove its checkpoints to begin it anew"
        ) from None
