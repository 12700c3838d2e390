"""Adam (Kingma & Ba 2015)."""

from typing import Literal

import optax
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.adaptive import AdaptiveMoments


@dataclass(frozen=True, config=STRICT)
class Adam(AdaptiveMoments):
    """Adam with an L2 penalty, as where weight decay is a term of the loss."""

    name: Literal["adam"] = "adam"
    weight_decay: NotNegative = 0.0

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return the L2 penalty, and the quotient of the means, corrected for their start."""
        return self.decay(), optax.scale_by_adam(self.beta1, self.beta2, self.epsilon)
