"""What an optimiser is: frozen settings that say how gradients become a direction.

The training loop does the rest, the same for all: it zeroes gradients of pruned weights before and
pruned weights after, so that whatever an optimiser remembers of a pruned weight stays exactly zero
(unless `Program.masked` keeps their values), clips, multiplies by the learning rate of the schedule
and by the factors of groups. Norms that an optimiser takes of weights are therefore those of the
masked weights.

To add one, write a subclass with the fields that only it has and `direction`, in a file of its own,
and announce it in `rtickets.training.optimizers.registry`.
"""

from typing import Annotated, Any, ClassVar, Literal

import optax
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, Duration, Fraction, NotNegative, is_never
from rtickets.settings.variants import Variant
from rtickets.training.optimizers.groups import add_decayed_weights, parse_factors, scale_groups

Rate = Annotated[float, Field(ge=0, lt=1)]
Schedule = Literal["cosine", "polynomial", "multistep", "exponential", "onecycle", "constant"]


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig(Variant):
    """How weights follow their gradients, and a learning rate schedule.

    Attributes:
        name: which optimiser.
        learning_rate: the peak.
        weight_decay: of every trained parameter; of 'adamw' decoupled from the gradient, of the
            others an L2 penalty, added to it.
        weight_decay_factors: factors of the weight decay of groups of parameters, 'REGEX=FACTOR'
            each, such as '.*/(bias|scale)=0'; the first expression that matches a whole path
            counts, and a parameter that none matches has the factor 1.
        learning_rate_factors: factors of the learning rate of groups, likewise.
        schedule: 'cosine' to 0, 'polynomial' to 0, 'multistep', 'exponential', 'onecycle' or
            'constant'. One cycle (Smith & Topin 2019) rises from a 25th of the peak over 30% of
            the run and falls to 1/10,000 of that 25th, both along a cosine.
        milestones: when 'multistep' multiplies the rate by `decay_factor`; the one duration over
            which 'exponential' does so, smoothly, again and again.
        decay_factor: see `milestones`.
        power: of 'polynomial': the rate is multiplied by (1 - part of the run) to this power.
        warmup: duration of a linear rise from 0.
        clip_norm: scale the gradient down to this L2 norm over all trained parameters, before
            weight decay; None does not.
    """

    family: ClassVar[str] = "optimizer"
    entries: ClassVar[dict[str, Any]] = {}
    learning_rate: NotNegative = 0.1
    weight_decay: NotNegative = 5e-4
    weight_decay_factors: tuple[str, ...] = ()
    learning_rate_factors: tuple[str, ...] = ()
    schedule: Schedule = "cosine"
    milestones: tuple[Duration, ...] = ()
    decay_factor: Fraction = 0.1
    power: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.9
    warmup: Duration = "0ep"
    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def moments(self) -> int:
        """The number of floats that are remembered for every trained parameter."""
        raise NotImplementedError

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return what, one after the other, makes a step of learning rate 1, to be subtracted."""
        raise NotImplementedError

    def decay(self) -> optax.GradientTransformation:
        """Return what adds the weight decay, for `direction` to use where it belongs."""
        return add_decayed_weights(self.weight_decay, self.weight_decay_factors)

    def transform(self) -> optax.GradientTransformation:
        """Return the whole: clipping, the direction, factors of groups."""
        clip = [] if self.clip_norm is None else [optax.clip_by_global_norm(self.clip_norm)]
        groups = self.learning_rate_factors
        scale = [scale_groups("learning_rate_factors", groups)] if groups else []
        return optax.chain(*clip, *self.direction(), *scale)

    @model_validator(mode="after")
    def _check(self) -> "OptimizerConfig":
        if (self.schedule in ("multistep", "exponential")) != bool(self.milestones):
            raise ValueError(
                "schedule='multistep' or 'exponential' needs milestones, the others take none"
            )
        if self.schedule == "exponential" and (
            len(self.milestones) > 1 or is_never(self.milestones[0])
        ):
            raise ValueError(
                f"milestones={self.milestones} of schedule='exponential'; expected the one "
                "duration over which the rate is multiplied by decay_factor, such as ('12ep',)"
            )
        if self.schedule == "onecycle" and not is_never(self.warmup):
            raise ValueError(
                f"warmup={self.warmup!r}: schedule='onecycle' rises by itself; leave it out"
            )
        if self.power != OptimizerConfig.power and self.schedule != "polynomial":
            raise ValueError(f"power={self.power} is of schedule='polynomial'; leave it out")
        for name in ("weight_decay_factors", "learning_rate_factors"):
            parse_factors(name, getattr(self, name))
        return self
