"""What a network answers to some examples, to be looked at."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError
from rtickets.evaluation.counting import counted
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured, Task
from rtickets.tasks.measured import measured_if_any

_POOL = 32  # examples looked through, for every one of a class that is shown
_ODD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, config=STRICT)
class AnswerSettings(MeasureConfig):
    """Pictures of examples and of the answers to them, as the task paints them.

    The value is the task's headline on these examples; there is none where nothing in them counts,
    as where no object is in them.

    Attributes:
        examples: so many of them, spread evenly.
        each_class: besides, so many examples with every class of pixels or boxes, of 32 times as
            many those that have most of it, and where it is found, missed and answered wrongly.
    """

    name: Literal["answers"] = "answers"
    examples: Positive = 8
    each_class: Annotated[int, Field(ge=0)] = 0
    needs_images = True

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """One over the examples that are shown, or looked through."""
        return float(min(self.examples, examples) + min(_POOL * self.each_class, examples))

    def check(self, examples: Examples) -> None:
        """Refuse tasks whose answers are nothing to look at."""
        if not examples.task.paints:
            raise InputError(
                f"the answers of {type(examples.task).__name__} are nothing to look at; leave it "
                "out"
            )
        if self.each_class and not examples.task.parts_have_classes:
            raise InputError(
                f"each_class={self.each_class} is of the classes of pixels or boxes, which "
                f"{type(examples.task).__name__} has not; set it to 0, `examples` shows answers"
            )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the headline, and keep the pictures."""
        task: Task = asked.task
        outputs, batch = asked.seen(self.examples)
        for name, images in task.painted(outputs, batch).items():
            asked.keep(name, np.asarray(images))
        if self.each_class:
            pool = asked.seen(_POOL * self.each_class)
            names = task.class_names(asked.about)
            for k, images in task.painted_classes(*pool, self.each_class).items():
                asked.keep(_called(k, names), np.asarray(images))
        headline = task.headline.name
        measured = measured_if_any(task, counted(task, outputs, batch))
        return {headline: measured[headline]} if measured else {}


def _called(number: int, names: Sequence[str]) -> str:
    """Return what the file of a class is called, `class_3_dress`."""
    name = _ODD.sub("_", names[number].lower()).strip("_") if number < len(names) else ""
    return f"class_{number}_{name}".rstrip("_")[:60]
