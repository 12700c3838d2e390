"""Accuracy class by class: where a network fails, an average does not say."""

from collections.abc import Mapping
from typing import Any, Literal

import jax.numpy as jnp
from pydantic.dataclasses import dataclass

from rtickets.errors import printable
from rtickets.evaluation.measures.base import Asked, MeasureConfig
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
    """

    name: Literal["per_class"] = "per_class"
    needs_classes = True

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the classes by their numbers and names."""
        names = {
            f"class_{k}": printable(name, _LONGEST)
            for k, name in enumerate(map(str, asked.about.get("class_names", ())))
            if name != str(k)
        }
        found = super().measure(asked)
        return {f"{k} {names[k]}" if k in names else k: value for k, value in found.items()}

    def sums(self, outputs: Any, batch: Batch, task: Task) -> Sums:
        """Return how many answers are right and how many there are, by class."""
        labels, nobody = task.labels(batch), jnp.zeros(outputs.shape[-1], jnp.int32)
        right = ~task.fooled(outputs, batch)
        return {
            "correct": nobody.at[labels].add(right.astype(jnp.int32)),
            "examples": nobody.at[labels].add(1),
        }

    def values(self, sums: Mapping[str, Any], task: Task) -> dict[str, Measured]:
        """Return the classes that have examples, and the worst of them."""
        counts = enumerate(zip(sums["correct"], sums["examples"], strict=True))
        found = {k: share(int(right), int(total)) for k, (right, total) in counts if total}
        worst = min(found.values(), key=lambda each: each.value)
        return {
            "worst": worst.measured(),
            **{f"class_{k}": each.measured(detail=True) for k, each in found.items()},
        }
