"""Settings of learning a mask over an untrained network, and which of its weights may be masked."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.masks import DEFAULT_PRUNABLE
from rtickets.masks.gates import Bernoulli
from rtickets.settings.kinds import STRICT, Positive

Maskable = Literal["kernels", "all"]
PRUNABLE = {"kernels": DEFAULT_PRUNABLE, "all": ".*"}


@dataclass(frozen=True, config=STRICT)
class MaskConfig:
    """How a mask is learnt.

    Attributes:
        maskable: 'kernels' are those of all convolutions but the last; 'all' are all parameters, as
            published, where a removed scale of a normalisation removes its channel.
        gate: see `Bernoulli`.
        pull: stands for the gate's `weight`, which is this divided by the number of maskable
            weights; None to take the gate's own. 'auto' moves log odds half of the way to the prior
            within the steps, beside the data's gradient at the start: stronger pulls left worse
            masks on small pictures.
        steps: of Adam.
        learning_rate: likewise.
        checkpoint_every: see `FitConfig`.
    """

    maskable: Maskable = "kernels"
    gate: Bernoulli = field(default_factory=Bernoulli)
    pull: Annotated[float, Field(ge=0)] | Literal["auto"] | None = "auto"
    steps: Positive = 2000
    learning_rate: float = Field(default=0.1, gt=0)
    checkpoint_every: Positive = 5000

    @model_validator(mode="after")
    def _check(self) -> "MaskConfig":
        if self.pull is not None and self.gate.weight != Bernoulli().weight:
            raise ValueError(
                f"gate.weight={self.gate.weight} does not count beside pull={self.pull}; set pull "
                "to None to take it"
            )
        return self

    @property
    def prunable(self) -> str:
        """The expression of the maskable leaves."""
        return PRUNABLE[self.maskable]
