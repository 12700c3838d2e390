"""Checkpoints of a run in progress, on Orbax."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rtickets.processes import is_primary


class Checkpoints:
    """The newest checkpoints of one run.

    A checkpoint is a pytree of arrays and a small dictionary. Arrays are copied to the host before
    they are written, so that a step may reuse their buffers meanwhile. Without a manager, as in all
    processes but the primary, nothing is stored and nothing found.
    """

    def __init__(self, manager: ocp.CheckpointManager | None) -> None:
        self._manager = manager

    def save(self, step: int, tree: Any, meta: dict[str, Any]) -> None:
        """Write a checkpoint in the background."""
        if self._manager is None:
            return
        tree = jax.tree.map(np.asarray, jax.device_get(tree))
        self._manager.save(
            step,
            args=ocp.args.Composite(tree=ocp.args.StandardSave(tree), meta=ocp.args.JsonSave(meta)),
        )

    def latest_step(self) -> int | None:
        """Return the step of the newest complete checkpoint, or None."""
        return None if self._manager is None else self._manager.latest_step()

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Read a checkpoint.

        Args:
            step: one that exists.
            like: a pytree of arrays of the expected structure, shapes and dtypes.

        Returns:
            (pytree of host arrays, dictionary).
        """
        assert self._manager is not None
        like = jax.tree.map(np.asarray, jax.device_get(like))
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                tree=ocp.args.StandardRestore(like), meta=ocp.args.JsonRestore()
            ),
        )
        return restored.tree, restored.meta


@contextmanager
def open_checkpoints(folder: Path, keep: int = 2) -> Iterator[Checkpoints]:
    """Open the checkpoints of a run; on leaving, pending writes are waited for.

    Args:
        folder: made if it does not exist.
        keep: how many checkpoints to keep, the newest.

    Yields:
        The checkpoints.
    """
    if not is_primary():
        yield Checkpoints(None)
        return
    folder.mkdir(parents=True, exist_ok=True)
    alone = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep, create=False, multiprocessing_options=alone
    )
    with ocp.CheckpointManager(folder.resolve(), options=options) as manager:
        yield Checkpoints(manager)
