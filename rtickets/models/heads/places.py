"""The head of networks that bring everything to one fine level themselves, such as supernets."""

from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.network import Features, head_init


@dataclass(frozen=True)
class Places:
    """Makes heads that answer at every place of the backbone's last level."""

    def __call__(self, outputs: int) -> "PlacesHead":
        """Return the head of a number of outputs."""
        return PlacesHead(outputs)


class PlacesHead(nn.Module):
    """A 1x1 convolution of the last level."""

    outputs: int

    @nn.compact
    def __call__(self, found: Features) -> Array:
        """Return float32 (B, H, W, outputs)."""
        last = list(found.levels.values())[-1].astype(jnp.float32)
        return nn.Conv(self.outputs, (1, 1), kernel_init=head_init, name="places")(last)
