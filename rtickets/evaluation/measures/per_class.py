"""Accuracy, or IoU, class by class: where a network fails, an average does not say."""

from collections.abc import Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError, printable
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples
from rtickets.settings.kinds import STRICT
from rtickets.tasks import Measured, Segmentation, Task
from rtickets.tasks.accuracy import Accuracy, share
from rtickets.tasks.base import Batch, Sums
from rtickets.tasks.confusion import Estimated, overlap

_LONGEST = 40  # characters of a name
GROUND = "ground"


@dataclass(frozen=True, config=STRICT)
class PerClassSettings(MeasureConfig):
    """The accuracy of every class, as `class_3`, and that of the class where it is `worst`.

    Where the data set names its classes the name follows, as `class_3 dress`.

    Intervals are Wilson's over the examples of the class. The worst of many classes is low also by
    chance, which its interval does not know.

    Of a segmentation it is the intersection over union of every class that is there or answered;
    class 0 is the ground, and intervals are over images.
    """

    name: Literal["per_class"] = "per_class"

    def check(self, examples: Examples) -> None:
        """Refuse tasks whose answers are of no classes."""
        task = examples.task
        if not (task.has_classes or isinstance(task, Segmentation)):
            raise InputError(
                f"'per_class' is of classes, of examples or of their pixels, and "
                f"{type(task).__name__} has none; leave it out"
            )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the classes by their numbers and names."""
        own = map(str, asked.about.get("class_names", ()))
        names = {
            f"class_{k}": printable(name, _LONGEST)
            for k, name in enumerate(own if asked.task.has_classes else (GROUND, *own))
            if name != str(k)
        }
        found = super().measure(asked)
        return {f"{k} {names[k]}" if k in names else k: value for k, value in found.items()}

    def sums(self, outputs: Any, batch: Batch, task: Task) -> Sums:
        """Return how many answers are right and how many there are, by class; or of pixels."""
        if isinstance(task, Segmentation):
            return task.sums(outputs, batch)
        labels, nobody = task.labels(batch), jnp.zeros(outputs.shape[-1], jnp.int32)
        right = ~task.fooled(outputs, batch)
        return {
            "correct": nobody.at[labels].add(right.astype(jnp.int32)),
            "examples": nobody.at[labels].add(1),
        }

    def values(self, sums: Mapping[str, Any], task: Task) -> dict[str, Measured]:
        """Return the classes that have examples, and the worst of them."""
        found = _regions(sums) if isinstance(task, Segmentation) else _shares(sums)
        worst = min(found.values(), key=lambda each: each.value)
        return {
            "worst": worst.measured(**_examples(worst)),
            **{
                f"class_{k}": each.measured(detail=True, **_examples(each))
                for k, each in found.items()
            },
        }


def _examples(found: Any) -> dict[str, int]:
    """Return how many examples a class has; its pixels are of all images."""
    return {"examples": found.examples} if isinstance(found, Accuracy) else {}


def _shares(sums: Mapping[str, Any]) -> dict[int, Any]:
    counts = enumerate(zip(sums["correct"], sums["examples"], strict=True))
    return {k: share(int(right), int(total)) for k, (right, total) in counts if total}


def _regions(sums: Mapping[str, Any]) -> dict[int, Any]:
    iou = overlap(sums).iou
    there = np.flatnonzero(np.isfinite(iou.value)).tolist()
    return {k: Estimated(iou.value[k], iou.error[k]) for k in there}
