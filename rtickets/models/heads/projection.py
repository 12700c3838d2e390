"""The head of contrastive pretraining: an MLP from pooled features to what is compared."""

from dataclasses import dataclass

import flax.linen as nn
import jax
from jax import Array

from rtickets.models.network import Features, head_init


@dataclass(frozen=True)
class Projection:
    """Makes projection heads; equal ones make equal heads.

    Attributes:
        layers: linear maps, with biases and ReLU between them; SimCLR and MoCo v2 have 2.
        hidden: width of all but the last; None is that of the features.
    """

    layers: int = 2
    hidden: int | None = None

    def __call__(self, width: int) -> "ProjectionHead":
        """Return the head of a width."""
        return ProjectionHead(width, self.layers, self.hidden)


class ProjectionHead(nn.Module):
    """float32 (B, width) from pooled features; attributes as of `Projection`."""

    width: int
    layers: int = 2
    hidden: int | None = None

    @nn.compact
    def __call__(self, found: Features) -> Array:
        """Return the projections, of any length."""
        x = found.pooled
        hidden = self.hidden or x.shape[-1]
        for layer in range(1, self.layers):
            x = jax.nn.relu(nn.Dense(hidden, kernel_init=head_init, name=f"dense{layer}")(x))
        return nn.Dense(self.width, kernel_init=head_init, name=f"dense{self.layers}")(x)
