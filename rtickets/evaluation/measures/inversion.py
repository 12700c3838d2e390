"""Which other image a network takes for a given one."""

from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.evaluation.features import POOLED, check_level
from rtickets.evaluation.inversion import (
    Schedule,
    Update,
    grey_starts,
    invert,
    root_mean_square,
)
from rtickets.evaluation.measures.base import Asked, MeasureConfig, mean_of
from rtickets.evaluation.predict import Examples, Network
from rtickets.settings.kinds import STRICT, NotNegative, Positive
from rtickets.tasks import Measured

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class InversionSettings(MeasureConfig):
    """Images in which the network finds what it finds in some of the split, see `invert`.

    The values are the relative `distance` of the features that was reached, that from where it
    started (`start`), and how far the images found are from their targets, the root mean square of
    the difference of pixels (`pixels`), all means over targets. The pictures are `target`, `start`
    and `found`.

    Attributes:
        examples: so many targets, spread evenly.
        level: features to match: 'pooled', what the head sees, or 'stem', 'stage1', ...
        start: 'noise' is grey with Gaussian noise of deviation `noise`, 'image' the next target.
        noise: see there, in pixel units.
        num_steps: gradient steps; 10,000 as published.
        step_size: length of the first, in L2 in pixel units; 1 at 224 pixels as published. With
            update='plain' the factor of the gradient.
        eps: L2 radius around the start that is not left, in pixel units; None is free.
        update: 'normalized' steps, or 'plain' gradients.
        schedule: 'linear' shortens the steps towards zero; 'constant', as published, does not.
    """

    name: Literal["inversion"] = "inversion"
    examples: Positive = 8
    level: str = POOLED
    start: Literal["noise", "image"] = "noise"
    noise: NotNegative = 0.05
    num_steps: Positive = 300
    step_size: Length = 0.5
    eps: Length | None = None
    update: Update = "normalized"
    schedule: Schedule = "linear"
    needs_images = True

    def examples_of(self, available: int) -> int:
        """At most those that it asks for."""
        return min(self.examples, available)

    def forward_passes(self, examples: int, validation: int) -> float:
        """Three for a forward and a backward pass, in every step."""
        return 3.0 * self.num_steps * min(self.examples, examples)

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse a level that the network has not."""
        check_level(
            network, self.level, examples.transform.output_shape(examples.split.images.shape[1:])
        )

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the distances, and keep the images."""
        chosen = asked.chosen(self.examples)
        targets = jnp.asarray(chosen.x)
        if self.start == "noise":
            starts = grey_starts(chosen.keys, targets.shape[1:], self.noise)
        else:
            starts = jnp.roll(targets, -1, 0)
        found = invert(
            asked.features_fn(self.level), targets, starts, num_steps=self.num_steps,
            step_size=self.step_size, eps=self.eps, update=self.update, schedule=self.schedule,
        )  # fmt: skip
        for name, images in (("target", targets), ("start", starts), ("found", found.images)):
            asked.keep(name, images)
        away = root_mean_square(found.images - targets)
        values = {"distance": found.distances, "start": found.starts, "pixels": away}
        return {
            name: mean_of(np.asarray(each), "", None if name == "start" else False, (0, np.inf))
            for name, each in values.items()
        }
