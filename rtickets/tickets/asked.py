"""Data on which what a ticket's network was asked to do can be asked again."""

from typing import Any, NamedTuple

from rtickets import data
from rtickets.data.arrays import Dataset
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.tasks import Task, task_of
from rtickets.tickets import provenance
from rtickets.tickets.head import known


class Question(NamedTuple):
    """A task, and the examples that it is asked about.

    Attributes:
        config: where the examples come from.
        task: the task.
        dataset: the examples, as the ticket's head can be asked about them.
        changes: what was changed for that, in lines; they are in the notes of the data set too.
    """

    config: DataConfig
    task: Task
    dataset: Dataset
    changes: tuple[str, ...] = ()


def aligned(meta: Any, task: Task, dataset: Dataset) -> Dataset | None:
    """Return what `Task.aligned` does for a ticket's head, None if that does something else."""
    own, about = known(meta)
    return task.aligned(about, dataset) if own.name == task.name else None


def asked_again(meta: Any, config: DataConfig | None, seed: int) -> Question:
    """Load a data set as a ticket can be judged on it.

    Args:
        config: the data set; None is the one the ticket was last trained on, with its seed.
        seed: draws the few-shot subset.

    Raises:
        InputError: if the ticket has no head or one for something else, if the data cannot be
            loaded, or are those it was trained on but split in another way, so that training
            examples would be tested on.
    """
    provenance.check_head(meta)
    config, seed = (config, seed) if config else provenance.last_task(meta)
    (own, about), task = known(meta), task_of(config)
    if own.name != task.name:
        raise InputError(
            f"the ticket was trained for the task {own.name!r}, the data {config.source!r} ask "
            f"{task.name!r}; transfer the ticket to them first, or name data.task"
        )
    loaded = data.load(config, seed)
    provenance.check_split(meta, config)
    dataset = task.matched(about, loaded)
    return Question(config, task, dataset, dataset.notes[len(loaded.notes) :])
