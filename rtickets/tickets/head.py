"""What the head of a ticket's network does, as its provenance says.

A ticket of classification remembers `class_names`, as those of before there were other tasks; one
of another task remembers the task's settings under `asks`, and under `about` what its head is for.
"""

from collections.abc import Mapping
from typing import Any, cast

from rtickets.data.arrays import Dataset
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.models.widths import without_head
from rtickets.settings import config_files
from rtickets.tasks import Classification, Task


def known(meta: Any) -> tuple[Task, Mapping[str, Any]]:
    """Return what a ticket's head does, and what that head is for.

    Args:
        meta: the ticket's provenance.

    Returns:
        (task, what `Task.about` returned).

    Raises:
        InputError: if the task is not registered here.
    """
    if "asks" not in meta:
        return Classification(), {"class_names": list(meta["class_names"])}
    asks, about = meta["asks"], meta.get("about")
    name = asks.get("name") if isinstance(asks, Mapping) else None
    if not isinstance(about, Mapping) or name in (None, Classification.name):
        raise InputError(
            f"the ticket's provenance is damaged: asks={asks!r:.80}, about={about!r:.80}; take the "
            "ticket from a copy, or make it again"
        )
    try:
        task = config_files.parse(TaskConfig, asks)
    except InputError as error:
        raise InputError(
            f"the ticket was trained for the task {name!r}, which is not known here ({error}); "
            "give the configuration file that adds it to rtickets.tasks.TASKS"
        ) from None
    return cast(Task, task), about


def remembering(meta: Any, task: Task, dataset: Dataset) -> dict[str, Any]:
    """Return the provenance, in a new dictionary, of a ticket with a head for a task's data set."""
    about = task.about(dataset)
    model = meta.get("model")
    if isinstance(model, Mapping) and model.get("widths"):
        meta = {**meta, "model": {**model, "widths": list(without_head(model["widths"]))}}
    if task.name == Classification.name:
        return {**{k: v for k, v in meta.items() if k not in ("asks", "about")}, **about}
    rest = {name: value for name, value in meta.items() if name != "class_names"}
    return {**rest, "asks": config_files.to_dict(task), "about": about}
