"""Settings of what is written about a training run beside its results."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT


@dataclass(frozen=True, config=STRICT)
class ObserveConfig:
    """What is written beside the results. It changes none of them, nor the name of a run.

    Attributes:
        tensorboard: write TensorBoard event files; needs `pip install 'rtickets[tensorboard]'`.
        profile_steps: number of training steps to trace with JAX's profiler, after those that
            compile; 0 traces none.
    """

    tensorboard: bool = False
    profile_steps: Annotated[int, Field(ge=0)] = 0
