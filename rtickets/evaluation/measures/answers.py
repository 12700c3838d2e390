"""What a network answers to some examples, to be looked at."""

from typing import Literal

import jax
import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError
from rtickets.evaluation.counting import counted
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured, Task


@dataclass(frozen=True, config=STRICT)
class AnswerSettings(MeasureConfig):
    """Pictures of examples and of the answers to them, as the task paints them.

    The value is the task's headline on these examples.

    Attributes:
        examples: so many of them, spread evenly.
    """

    name: Literal["answers"] = "answers"
    examples: Positive = 8
    needs_images = True

    def forward_passes(self, examples: int, validation: int) -> float:
        """One over the examples that are shown."""
        return float(min(self.examples, examples))

    def check(self, examples: Examples) -> None:
        """Refuse tasks whose answers are nothing to look at."""
        if not examples.task.paints:
            raise InputError(
                f"the answers of {type(examples.task).__name__} are nothing to look at; leave it "
                "out"
            )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the headline, and keep the pictures."""
        task: Task = asked.task
        chosen = asked.chosen(self.examples)
        outputs = jax.jit(asked.logits_fn())(chosen.x)
        for name, images in task.painted(outputs, chosen.batch).items():
            asked.keep(name, np.asarray(images))
        headline = task.headline.name
        sums = counted(task, outputs, chosen.batch)
        return {headline: task.measures(sums)[headline]}
