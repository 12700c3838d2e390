"""Stochastic gradient descent with momentum."""

from typing import Literal

import optax
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.training.optimizers.base import OptimizerConfig, Rate


@dataclass(frozen=True, config=STRICT)
class Sgd(OptimizerConfig):
    """Stochastic gradient descent with momentum and an L2 penalty.

    Attributes:
        momentum: momentum, 0 for none.
        nesterov: Nesterov's variant.
    """

    name: Literal["sgd"] = "sgd"
    momentum: Rate = 0.9
    nesterov: bool = False

    @property
    def moments(self) -> int:
        """The momentum."""
        return int(self.momentum > 0)

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return L2 penalty and momentum."""
        momentum = optax.trace(self.momentum, self.nesterov) if self.momentum else optax.identity()
        return self.decay(), momentum
