"""Settings of what is written about a training run beside its results."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT


@dataclass(frozen=True, config=STRICT)
class ObserveConfig:
    """What is written beside the results. It changes none of them, nor the name of a run.

    Attributes:
        tensorboard: the same as 'tensorboard' among `trackers`.
        profile_steps: number of training steps to trace with JAX's profiler, after those that
            compile; 0 traces none.
        trackers: names of `rtickets.training.observe.trackers.TRACKERS` that get a copy of curves,
            settings and results: 'tensorboard', 'wandb', 'mlflow'.
    """

    tensorboard: bool = False
    profile_steps: Annotated[int, Field(ge=0)] = 0
    trackers: tuple[str, ...] = ()

    @property
    def all_trackers(self) -> tuple[str, ...]:
        """Names of the trackers, each once."""
        first = ("tensorboard",) if self.tensorboard else ()
        return tuple(dict.fromkeys((*first, *self.trackers)))
