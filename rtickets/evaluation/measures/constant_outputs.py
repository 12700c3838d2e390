"""How much of a network answers the same to every image."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError
from rtickets.evaluation.constant_outputs import constant_outputs
from rtickets.evaluation.measures.base import Asked, MeasureConfig
from rtickets.evaluation.predict import Examples
from rtickets.evaluation.recalibration import prepare_inputs
from rtickets.evaluation.subject import spread
from rtickets.settings.kinds import STRICT
from rtickets.tasks import Measured
from rtickets.tasks.units import SHARE


@dataclass(frozen=True, config=STRICT)
class ConstantOutputsSettings(MeasureConfig):
    """The `share` of all layers' outputs that are the same for every image, at every place.

    Besides, `layers` is how many layers have such outputs alone: nothing passes through them. Both
    are of the images that are looked at, and have no interval.

    Attributes:
        examples: look at so many, spread evenly over the split.
    """

    name: Literal["constant_outputs"] = "constant_outputs"
    examples: Annotated[int, Field(ge=2)] = 256

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over the images that are looked at."""
        return float(min(self.examples, examples))

    def check(self, examples: Examples) -> None:
        """Refuse a single image, for which everything is constant."""
        if len(examples.split) < 2:
            raise InputError("a single image does not tell what depends on it; give two or more")

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the values."""
        split, prepare = asked.examples.split, prepare_inputs(asked.task, asked.examples.transform)
        places = spread(len(split), self.examples)
        parts = np.array_split(places, -(-len(places) // asked.batch_size))
        batches = (prepare(split.take(part).decoded()) for part in parts)
        found = constant_outputs(asked.network, batches)
        share = sum(each.constant for each in found) / max(sum(each.total for each in found), 1)
        whole = float(sum(each.constant == each.total for each in found))
        return {
            "share": Measured(share, share, share, SHARE, False),
            "layers": Measured(whole, whole, whole, "layers", False),
        }
