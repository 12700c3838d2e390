"""What every network of the package is: a backbone from pixels to features, and a head on them.

`features` is the backbone. It returns what it has found at every level, and the mean over the last
of them. `head` is what a task asks of them, a module of its own whose parameters are the entry
'head' of the network's; a task with another output brings another one (`Task.head`). A call is
both, one after the other, so that criteria, attacks and exports see one function. A head with
normalisation layers has a true attribute `normalises`, and takes after the features `train` and the
`axis_name` over which training statistics are shared, or None.

A subclass has the fields `num_classes` and `make_head` and the compact method `features`; levels
that nobody reads cost nothing once compiled.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.widths import Widths, taken

kernel_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
head_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Features(NamedTuple):
    """What a backbone finds in inputs.

    Attributes:
        levels: (B, H, W, C) by name, 'stem', 'stage1' and so on, from fine to coarse, in the
            precision of the backbone; of text (B, L, C), layer by layer. The last is the one that
            is pooled, normalised and activated as the head expects it.
        pooled: float32 (B, C), its mean over all places, or what a network has in its place.
        shared: weights of the backbone that heads may use too, such as a table of embeddings.
    """

    levels: dict[str, Array]
    pooled: Array
    shared: dict[str, Array] = {}  # noqa: RUF012 - nobody changes it


def pooled(levels: dict[str, Array]) -> Features:
    """Return features whose last level is averaged over all places."""
    last = list(levels.values())[-1]
    return Features(levels, last.mean((1, 2), dtype=jnp.float32))


class LinearHead(nn.Dense):
    """A linear map of the pooled features; as wide as the task has classes."""

    kernel_init: Any = head_init

    def __call__(self, inputs: Features) -> Array:  # type: ignore[override]
        """Return float32 (B, features)."""
        return super().__call__(inputs.pooled)


class BackboneAndHead(nn.Module, kw_only=True):
    """A backbone and a head; see the head of this file.

    Attributes:
        widths: numbers of features of single layers, see `rtickets.models.widths`.
    """

    widths: Widths = ()

    epsilon = 1e-5  # what normalisation layers add to variances

    def apply(self, *args: Any, **keywords: Any) -> Any:
        """Call a method on variables, as every linen module does."""
        with taken(self.widths):
            return super().apply(*args, **keywords)

    def init_with_output(self, *args: Any, **keywords: Any) -> Any:
        """Draw variables and call a method, likewise."""
        with taken(self.widths, everywhere=True):
            return super().init_with_output(*args, **keywords)

    def setup(self) -> None:
        """Make the head; the backbone makes its layers where it uses them."""
        fields: Any = self
        self.head = fields.make_head(fields.num_classes)

    def features(self, x: Array, train: bool = False) -> Features:
        """Return the features of images (B, H, W, C) in [0, 1].

        With `train` normalisation layers use and update the statistics of the batch.
        """
        raise NotImplementedError

    def __call__(self, x: Array, train: bool = False) -> Any:
        """Return what the head makes of the features; of `LinearHead` logits (B, num_classes)."""
        return self.answer(self.features(x, train), train)

    def answer(self, found: Features, train: bool = False) -> Any:
        """Return what the head makes of features."""
        if not getattr(self.head, "normalises", False):
            return self.head(found)
        return self.head(found, train, getattr(self, "axis_name", None))
