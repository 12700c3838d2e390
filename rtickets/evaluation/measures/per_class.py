"""Accuracy, IoU or AP, class by class: where a network fails, an average does not say."""

from collections.abc import Mapping
from typing import Any, Literal

import jax.numpy as jnp
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError, printable
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples
from rtickets.settings.kinds import STRICT
from rtickets.tasks import Measured, Task
from rtickets.tasks.accuracy import share
from rtickets.tasks.base import Batch, Sums

_LONGEST = 40  # characters of a name


@dataclass(frozen=True, config=STRICT)
class PerClassSettings(MeasureConfig):
    """The accuracy of every class, as `class_3`, and that of the class where it is `worst`.

    Where the data set names its classes the name follows, as `class_3 dress`.

    Intervals are Wilson's over the examples of the class. The worst of many classes is low also by
    chance, which its interval does not know.

    Of a segmentation it is the intersection over union of every class that is there or answered,
    class 0 being the ground, if there is one; of a detection COCO's AP of every class that is
    there; of keypoints the PCK of every keypoint. Intervals are then over images.
    """

    name: Literal["per_class"] = "per_class"

    def check(self, examples: Examples) -> None:
        """Refuse tasks whose answers are of no classes."""
        task = examples.task
        if not (task.has_classes or task.parts_have_classes):
            raise InputError(
                f"'per_class' is of classes, of examples or of their pixels or boxes, and "
                f"{type(task).__name__} has none; leave it out"
            )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the classes by their numbers and names."""
        names = {
            f"class_{k}": printable(name, _LONGEST)
            for k, name in enumerate(asked.task.class_names(asked.about))
            if name != str(k)
        }
        found = super().measure(asked)
        return {f"{k} {names[k]}" if k in names else k: value for k, value in found.items()}

    def sums(self, outputs: Any, batch: Batch, task: Task) -> Sums:
        """Return how many answers are right and how many there are, by class; or of their parts."""
        if task.parts_have_classes:
            return task.sums(outputs, batch)
        labels, nobody = task.labels(batch), jnp.zeros(outputs.shape[-1], jnp.int32)
        right = ~task.fooled(outputs, batch)
        return {
            "correct": nobody.at[labels].add(right.astype(jnp.int32)),
            "examples": nobody.at[labels].add(1),
        }

    def listed(self, outputs: Any, batch: Batch, task: Task) -> dict[str, Any]:
        """Return what the task lists, where parts of its answers have classes."""
        return task.listed(outputs, batch) if task.parts_have_classes else {}

    def values(self, sums: Mapping[str, Any], task: Task) -> dict[str, Measured]:
        """Return the classes that have examples, and the worst of them."""
        found = task.class_measures(sums) if task.parts_have_classes else _shares(sums)
        worst = min(found.values(), key=lambda each: each.value)
        classes = {f"class_{k}": each._replace(detail=True) for k, each in found.items()}
        return {"worst": worst._replace(detail=False), **classes}


def _shares(sums: Mapping[str, Any]) -> dict[int, Measured]:
    counts = enumerate(zip(sums["correct"], sums["examples"], strict=True))
    each = {k: share(int(right), int(total)) for k, (right, total) in counts if total}
    return {k: found.measured(examples=found.examples) for k, found in each.items()}
