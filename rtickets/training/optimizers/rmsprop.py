"""RMSprop (Tieleman & Hinton 2012), as image networks found by a search are trained with it."""

from typing import Annotated, Literal

import optax
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.base import OptimizerConfig, Rate


@dataclass(frozen=True, config=STRICT)
class RmsProp(OptimizerConfig):
    """Momentum on gradients over the root of their mean square, with an L2 penalty.

    Attributes:
        momentum: momentum, 0 for none.
        alpha: what the mean of squared gradients keeps of itself at every step; it begins at 0.
        epsilon: added to the mean square, inside of the root.
    """

    name: Literal["rmsprop"] = "rmsprop"
    learning_rate: NotNegative = 0.016
    weight_decay: NotNegative = 1e-5
    momentum: Rate = 0.9
    alpha: Rate = 0.9
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3

    @property
    def moments(self) -> int:
        """The mean square, and the momentum."""
        return 1 + int(self.momentum > 0)

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return L2 penalty, the quotient of gradient and root, and momentum."""
        momentum = optax.trace(self.momentum) if self.momentum else optax.identity()
        root = optax.scale_by_rms(self.alpha, self.epsilon, eps_in_sqrt=True)
        return self.decay(), root, momentum
