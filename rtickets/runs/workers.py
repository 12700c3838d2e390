"""Several workers on one study: each claims what no other is at, and comes back for the rest.

A claim is the lock of a run folder. Nothing is assigned, so that any number of workers may come and
go: what one leaves half done, another goes on with, and what is done is done.
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import InputError, InUseError
from rtickets.platform import console

_SECONDS_BETWEEN_ROUNDS = 5.0


class Worker(NamedTuple):
    """One of `of` workers, counted from 0."""

    number: int
    of: int

    def __str__(self) -> str:
        """Return the form that `parse_worker` reads."""
        return f"{self.number}/{self.of}"


ALONE = Worker(0, 1)


def parse_worker(text: str) -> Worker:
    """Return the worker that a word such as '0/8' stands for.

    Raises:
        InputError: if it stands for none.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise InputError(f"--worker={text} is no worker; expected 0/N to N-1/N, such as 0/8")
    return Worker(int(match[1]), int(match[2]))


def claim(
    tasks: Sequence[Callable[[], Any]],
    worker: Worker = ALONE,
    *,
    seconds_between_rounds: float = _SECONDS_BETWEEN_ROUNDS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Do all tasks, leaving to others what they are at.

    Workers begin at different places of the list. One that finds everything taken waits where a
    task may still become free for it, as when several wait for one pretraining, and leaves where
    each of the tasks that are left is in hands of its own.

    Args:
        tasks: each does nothing if it is done already, and raises InUseError if another process is
            at it or at something it needs.

    Returns:
        Whether all tasks are done; False means that others are about to end the last ones.
    """
    first = worker.number * len(tasks) // worker.of
    left = [*tasks[first:], *tasks[:first]]
    waited_for: set[Path] = set()
    while left:
        taken = []
        for task in left:
            try:
                task()
            except InUseError as error:
                taken.append((task, error.folder))
        holders = {folder for _, folder in taken}
        if len(taken) == len(left):
            # As many holders as tasks: none of these waits for another, and all end without this
            # worker.
            if worker.of > 1 and len(holders) == len(taken):
                return False
            if holders != waited_for:
                waited_for = holders
                names = ", ".join(sorted(folder.name for folder in holders)[:3])
                console.say(f"waiting for {names}: another process is at work there")
            sleep(seconds_between_rounds)
        left = [task for task, _ in taken]
    return True
