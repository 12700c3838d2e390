"""What a gate is: how scores of groups of weights let them through, and what they say in the end.

Scores are a flat dictionary of arrays, one number per group of weights of every layer, so that they
are trained like any other parameters while the weights stay. A gate says where they start, what a
step multiplies every group with, what of them is added to the loss, and which groups live when the
mask is read off them. It knows groups, not networks: `rtickets.masks.gates.network` takes a network
apart into layers and spreads what a gate returns over the weights.

- `initial(weights, key)`: the scores that learning starts from. Weights are kernels as the network
  has them, signs, dtype and all, NumPy arrays by the names that scores have.
- `gate(scores, key)`: what groups are multiplied with, in the shapes of the scores. Asked once a
  step and shared by all its passes; gradients flow back through it, so whatever is a decision has a
  derivative that the gate chooses (straight-through). The key is another in every step, for gates
  that draw; it is the same on all devices.
- `penalty(scores)`: a number that is added to the mean loss of a step.
- `mask(scores)`: which groups live, bool. Validation and the ticket go by it, not by `gate`.
- `ranked(scores)`: what groups are compared by, so that ties and broken scores can be told.

All but `initial` are traced and must be pure; a gate is hashable and part of what is compiled.
An entry of the registry is its settings, a subclass of `GateConfig` in a file of its own whose `on`
returns the gate; `rtickets.masks.gates.registry` announces it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.masks.patterns import Pattern, group_sizes
from rtickets.settings.kinds import STRICT
from rtickets.settings.variants import Variant

Scores = dict[str, Any]


class Layers(NamedTuple):
    """What is gated.

    Attributes:
        shapes: of the kernels (..., inputs, outputs), by the names that scores have.
        pattern: what lives or dies together.
        sparsity: the part of the weights that shall be removed.
        scope: 'uniform' removes as large a part of every layer, 'global' of all together.
    """

    shapes: Mapping[str, tuple[int, ...]]
    pattern: Pattern
    sparsity: float
    scope: Literal["uniform", "global"]

    def sizes(self) -> dict[str, np.ndarray]:
        """Return the number of weights in every group, int arrays in the shapes of the scores."""
        return {name: group_sizes(shape, self.pattern) for name, shape in self.shapes.items()}


class Gate(Protocol):
    """A gate on some layers; see the head of this file for the contract."""

    def initial(self, weights: Mapping[str, Any], key: Array) -> Scores:
        """Return the scores that learning starts from, float32."""
        ...

    def gate(self, scores: Mapping[str, Array], key: Array) -> Scores:
        """Return what groups are multiplied with."""
        ...

    def penalty(self, scores: Mapping[str, Array]) -> Array:
        """Return what is added to the loss, a float32 scalar."""
        ...

    def mask(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return which groups live."""
        ...

    def ranked(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return what groups are compared by."""
        ...


@dataclass(frozen=True, config=STRICT)
class GateConfig(Variant):
    """Learnable mask pruning: one score per group of frozen weights.

    Besides the scores, the head moves (see `train_head`), and normalisation statistics are
    re-estimated on the task's training images unless train.statistics='frozen'.

    Attributes:
        name: how scores become a mask.
        train_head: train the head beside the scores instead of freezing it.
    """

    family: ClassVar[str] = "gate"
    entries: ClassVar[dict[str, Any]] = {}
    train_head: bool = True

    @property
    def needs_fan_in(self) -> str | None:
        """The setting that makes `initial` look at the inputs of a kernel, None where none does."""
        return None

    def on(self, layers: Layers) -> Gate:
        """Return the gate of some layers."""
        raise NotImplementedError
