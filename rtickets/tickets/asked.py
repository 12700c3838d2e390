"""Data on which what a ticket's network was asked to do can be asked again."""

from typing import Any, NamedTuple

from rtickets import data
from rtickets.data.arrays import Dataset
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.settings import config_files
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
    return None if differing(own, task) else task.aligned(about, dataset)


def asked_again(meta: Any, config: DataConfig | None, seed: int) -> Question:
    """Load a data set as a ticket can be judged on it.

    Args:
        config: the data set; None is the one the ticket was last trained on, with its seed.
        seed: draws the few-shot subset, and a part of other data; the part of the data that it was
            trained on is the one that its own seed drew, as in another part validation examples may
            be those that it was trained on.

    Raises:
        InputError: if the ticket has no head or one for something else, as by other settings of
            the task (see `Task.beside_head`), if the data cannot be loaded, or are those it was
            trained on but split in another way, so that training examples would be tested on.
    """
    provenance.check_head(meta)
    if config is None:
        config, seed = provenance.last_task(meta)
    elif (drew := provenance.seed_of_part(meta, config)) is not None:
        seed = drew
    (own, about), task = known(meta), task_of(config)
    if own.name != task.name:
        raise InputError(
            f"the ticket was trained for the task {own.name!r}, the data {config.source!r} ask "
            f"{task.name!r}; transfer the ticket to them first, or name data.task"
        )
    if others := differing(own, task):
        ours, theirs = (", ".join(f"{k}={v[i]!r}" for k, v in others.items()) for i in (0, 1))
        raise InputError(
            f"the ticket was trained for the task {own.name!r} with {ours}, the data "
            f"{config.source!r} ask it with {theirs}; give data.task the settings of the ticket, "
            "or transfer the ticket to the data first"
        )
    loaded = data.load(config, seed)
    provenance.check_split(meta, config)
    dataset = task.matched(about, loaded)
    return Question(config, task, dataset, dataset.notes[len(loaded.notes) :])


def differing(own: Task, asked: Task) -> dict[str, tuple[Any, Any]]:
    """Return the settings, the name among them, by which a head's task is not the one asked.

    Values are (the head's, those asked).
    """
    ours, theirs = config_files.to_dict(own), config_files.to_dict(asked)
    pairs = {name: (ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
    return {
        name: pair
        for name, pair in pairs.items()
        if pair[0] != pair[1] and name not in asked.beside_head
    }
