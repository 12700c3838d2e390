"""The head that paints: a colour in [0, 1] for every place of the backbone's last level."""

from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.generator_layers import Reflected
from rtickets.models.network import Features


@dataclass(frozen=True)
class Picture:
    """Makes heads that paint; equal ones make equal heads.

    Attributes:
        use_bias: whether colours have a bias; those of the deep decoder have none.
        squash: whether a sigmoid brings colours into (0, 1).
    """

    use_bias: bool = True
    squash: bool = True

    def __call__(self, channels: int) -> "PictureHead":
        """Return the head of a number of channels, 1 for grey, 3 for colour."""
        return PictureHead(channels, self.use_bias, self.squash)


class PictureHead(nn.Module):
    """A 1x1 convolution of the last level and a sigmoid; attributes as of `Picture`."""

    channels: int
    use_bias: bool = True
    squash: bool = True

    @nn.compact
    def __call__(self, found: Features) -> Array:
        """Return float32 (B, H, W, channels)."""
        last = list(found.levels.values())[-1].astype(jnp.float32)
        painted = Reflected(self.channels, 1, self.use_bias, name="paint")(last)
        return nn.sigmoid(painted) if self.squash else painted
