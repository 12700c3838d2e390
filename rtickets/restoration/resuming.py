"""What a fit or the learning of a mask needs to go on after it was killed, as checkpoints."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rtickets.errors import Preempted
from rtickets.platform import preemption
from rtickets.storage.checkpoints import Checkpoints, Retention, open_checkpoints


class Keeper:
    """Keeps where a work in progress is; without checkpoints it keeps nothing."""

    def __init__(self, checkpoints: Checkpoints | None, every: int) -> None:
        """Bind it to where checkpoints lie, and to the steps between them."""
        self._checkpoints, self._every, self._last = checkpoints, every, 0

    def restored(self, like: Any) -> tuple[Any, dict[str, Any]] | None:
        """Return the arrays and numbers of the newest checkpoint, None if there is none."""
        found = None if self._checkpoints is None else self._checkpoints.restore(like)
        if found is None:
            return None
        self._last = int(found.meta["step"])
        return found.tree, found.meta

    def pause(self, step: int, tree: Any, meta: Mapping[str, Any], *, done: bool = False) -> None:
        """Save what is due.

        Raises:
            Preempted: if the process was asked to stop.
        """
        asked = preemption.requested()
        due = step - self._last >= (1 if asked or done else self._every)
        if self._checkpoints is not None and due:
            self._checkpoints.save(step, tree, {**meta, "step": step})
            self._last = step
        if asked:
            raise Preempted("asked to stop")


@contextmanager
def keeping(folder: Path | None, every: int, steps: int) -> Iterator[Keeper]:
    """Keep checkpoints in a folder; None keeps none, and neither does work of few steps."""
    if folder is None or steps <= every:
        yield Keeper(None, every)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open_checkpoints(folder, Retention(latest=1)) as checkpoints, preemption.saving():
        yield Keeper(checkpoints, every)
