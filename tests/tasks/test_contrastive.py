"""What contrastive tasks have in common."""

from dataclasses import fields, replace

import numpy as np
import pytest

from rtickets.data.arrays import Dataset, labelled
from rtickets.data.images.random_views import ViewsConfig
from rtickets.tasks import Moco, SimClr
from rtickets.tickets.asked import aligned
from rtickets.tickets.head import remembering

OTHERS = {
    "views": ViewsConfig(blur=0.0), "temperature": 0.3, "projection": 7, "hidden": 9, "layers": 3,
    "metric": "retrieval", "neighbours": 3, "neighbour_temperature": 0.1, "gallery": 9, "group": 5,
    "loss_form": "log_of_mean", "queue": 7, "momentum": 0.5, "key_statistics": "shuffled",
}  # fmt: skip


@pytest.mark.parametrize("task", [SimClr(), Moco()], ids=lambda task: task.name)
def test_a_trained_head_stays_where_only_the_loss_is_another(task):
    """As of draws under several temperatures; a head of another shape is a fresh one."""
    split = labelled(np.zeros((4, 8, 8, 1), np.uint8), np.int32([0, 1, 0, 1]))
    dataset = Dataset(split, split, split, ("a", "b"), (0.0,), (1.0,))
    meta = remembering({}, task, dataset)
    for name in {field.name for field in fields(task)} - {"name"}:
        other = replace(task, **{name: OTHERS[name]})
        same = (other.head, other.width({})) == (task.head, task.width({}))
        assert (aligned(meta, other, dataset) is not None) == same, name
