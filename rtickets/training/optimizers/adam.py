"""Adam (Kingma & Ba 2015)."""

from typing import Annotated, Literal

import optax
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.base import OptimizerConfig, Rate


@dataclass(frozen=True, config=STRICT)
class Adam(OptimizerConfig):
    """Adam with an L2 penalty, as where weight decay is a term of the loss.

    Attributes:
        beta1: what the mean of gradients keeps of itself at every step.
        beta2: likewise of the mean of their squares.
        epsilon: added to the root of the latter.
    """

    name: Literal["adam"] = "adam"
    learning_rate: NotNegative = 1e-3
    weight_decay: NotNegative = 0.0
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-8

    @property
    def moments(self) -> int:
        """The two means."""
        return 2

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return the L2 penalty, and the quotient of the means, corrected for their start."""
        return self.decay(), optax.scale_by_adam(self.beta1, self.beta2, self.epsilon)
