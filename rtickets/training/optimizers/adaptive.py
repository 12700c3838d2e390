"""What Adam and AdamW share: the means of gradients and of their squares."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.base import OptimizerConfig, Rate


@dataclass(frozen=True, config=STRICT)
class AdaptiveMoments(OptimizerConfig):
    """Fields of what divides a mean of gradients by the root of the mean of their squares.

    Attributes:
        beta1: what the mean of gradients keeps of itself at every step.
        beta2: likewise of the mean of their squares.
        epsilon: added to the root of the latter.
    """

    learning_rate: NotNegative = 1e-3
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-8

    @property
    def moments(self) -> int:
        """The two means."""
        return 2
