"""What a network is asked to do and how that is judged: one file a task, see `tasks.base`."""

from rtickets.data.arrays import Dataset
from rtickets.tasks.base import Batch, Headline, ImageTask, Measured, Sums, Task
from rtickets.tasks.classification import Classification


def task_of(dataset: Dataset) -> Task:
    """Return what the examples of a data set ask: to tell its classes apart."""
    return Classification(metric=dataset.metric)


__all__ = [
    "Batch",
    "Classification",
    "Headline",
    "ImageTask",
    "Measured",
    "Sums",
    "Task",
    "task_of",
]
