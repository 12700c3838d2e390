"""LARS (You et al. 2017): a rate for every layer, for large batches."""

import re
from typing import Annotated, Any, Literal

import jax
import optax
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.masks.paths import leaf_paths
from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.training.optimizers.base import OptimizerConfig, Rate


@dataclass(frozen=True, config=STRICT)
class Lars(OptimizerConfig):
    """Momentum on gradients that are scaled, layer by layer, to a share of the weights' norm.

    Norms are those of the masked weights and of their gradients with weight decay, so that pruned
    weights do not count; where they are kept and decayed behind a mask, as by PyTorch's pruning,
    they count, and every layer's rate is larger. A layer whose weights or gradients are all zero is
    not scaled.

    Attributes:
        momentum: momentum, 0 for none.
        nesterov: Nesterov's variant.
        trust: the share, the 'trust coefficient'.
        unscaled: regular expression of the whole paths of the parameters that follow their
            gradients as they are; None scales all.
        decay_unscaled: these have the weight decay of the others; SimCLR and its successors take
            biases and normalisation out of both.
    """

    name: Literal["lars"] = "lars"
    momentum: Rate = 0.9
    nesterov: bool = False
    trust: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001
    unscaled: str | None = r"(.*/)?(bias|scale)"
    decay_unscaled: bool = True
    weight_decay: NotNegative = 1e-4

    @property
    def moments(self) -> int:
        """The momentum."""
        return int(self.momentum > 0)

    def direction(self) -> tuple[optax.GradientTransformation, ...]:
        """Return L2 penalty, the layers' own rates and momentum."""
        momentum = optax.trace(self.momentum, self.nesterov) if self.momentum else optax.identity()
        trust = optax.scale_by_trust_ratio(trust_coefficient=self.trust)
        decay = self.decay() if self.decay_unscaled else optax.masked(self.decay(), self._is_scaled)
        return decay, optax.masked(trust, self._is_scaled), momentum

    def _is_scaled(self, params: Any) -> Any:
        leaves = [
            self.unscaled is None or not re.fullmatch(self.unscaled, path)
            for path in leaf_paths(params)
        ]
        return jax.tree.unflatten(jax.tree.structure(params), leaves)

    @model_validator(mode="after")
    def _check_unscaled(self) -> "Lars":
        try:
            re.compile(self.unscaled or "")
        except re.error as error:
            raise ValueError(
                f"unscaled={self.unscaled!r} is no regular expression: {error}"
            ) from None
        return self
