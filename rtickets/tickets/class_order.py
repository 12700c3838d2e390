"""The classes of a task in the order of a ticket's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtickets.data.arrays import Dataset, Split
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.tickets import provenance


def matched(meta: Any, config: DataConfig, task: Dataset) -> Dataset:
    """Return a task as a ticket can be judged on it: its classes in the order of the ticket's.

    Args:
        meta: the ticket's provenance.
        config: the task's configuration.
        task: the task.

    Returns:
        The task. Where its classes are the ticket's in another order, its labels are the ticket's;
        where the ticket's have no names, they are taken for the task's, in its order. Both are said
        in its notes.

    Raises:
        InputError: if the classes are not the ticket's, if it has no head, or if the task is the
            one it was trained on but split in another way, so that training images would be tested
            on.
    """
    provenance.check_head(meta)
    provenance.check_split(meta, config)
    own, theirs = list(meta["class_names"]), list(task.class_names)
    if own == theirs:
        return task
    if sorted(own) == sorted(theirs) and len(set(own)) == len(own):
        note = "the classes are the ticket's in another order; labels follow the ticket's"
        return _relabelled(task, own)._replace(notes=(*task.notes, note))
    if len(own) == len(theirs) and own == [f"class_{index}" for index in range(len(own))]:
        note = (
            "the ticket's classes have no names; they are taken for those of the task, in its "
            f"order ({', '.join(theirs[:3])}, ...); rtickets import --classes names them"
        )
        return task._replace(notes=(*task.notes, note))
    raise InputError(
        f"the ticket tells {len(own)} classes apart ({', '.join(own[:3])}, ...), the task has "
        f"{len(theirs)} ({', '.join(theirs[:3])}, ...); transfer it to the task first"
    )


def in_order_of(meta: Any, task: Dataset) -> Dataset | None:
    """Return a task with its classes in the order of a ticket's, or None if it has others."""
    own = list(meta["class_names"])
    if sorted(own) != sorted(task.class_names) or len(set(own)) < len(own):
        return None
    return task if own == list(task.class_names) else _relabelled(task, own)


def _relabelled(task: Dataset, names: Sequence[str]) -> Dataset:
    """Return a task whose labels are places in `names`, which are its classes in another order."""
    table = np.array([names.index(name) for name in task.class_names], np.int32)

    def relabel(split: Split) -> Split:
        return Split(split.images, table[split.labels])

    return task._replace(
        train=relabel(task.train),
        validation=relabel(task.validation),
        test=relabel(task.test),
        class_names=tuple(names),
    )
