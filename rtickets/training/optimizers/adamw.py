"""AdamW (Loshchilov & Hutter 2019)."""

from typing import Literal

import optax
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.adaptive import AdaptiveMoments


@dataclass(frozen=True, config=STRICT)
class AdamW(AdaptiveMoments):
    """Adam with decoupled weight decay, which the learning rate multiplies."""

    name: Literal["adamw"] = "adamw"
    weight_decay: NotNegative = 0.01

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return the quotient of the means, corrected for their start, and the weight decay."""
        return optax.scale_by_adam(self.beta1, self.beta2, self.epsilon), self.decay()
