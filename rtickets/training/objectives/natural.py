"""Natural training: the loss of the inputs as they are."""

from typing import Literal

from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.tasks import Task
from rtickets.training.objectives.base import CLASSIFICATION, Objective, on_perturbed, unperturbed
from rtickets.training.objectives.settings import ObjectiveConfig


def natural(task: Task = CLASSIFICATION) -> Objective:
    """Return the task's loss on the images as they are."""
    return Objective(unperturbed(task), on_perturbed(task))


@dataclass(frozen=True, config=STRICT)
class Natural(ObjectiveConfig):
    """The loss itself."""

    name: Literal["natural"] = "natural"

    def make(self, task: Task) -> Objective:
        """Return `natural`."""
        return natural(task)
