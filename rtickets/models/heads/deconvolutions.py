"""The head of simple baselines of pose estimation (Xiao et al. 2018): deconvolutions and a map.

The last level of the backbone is doubled again and again by transposed convolutions, each
normalised and rectified, until its places are as fine as heatmaps are. Everything computes in
float32.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.network import Features, kernel_init

_SIZE = 4  # of the kernels
_answer_init = nn.initializers.normal(0.001)


@dataclass(frozen=True)
class Deconvolutions:
    """Makes heads of deconvolutions; equal ones make equal heads.

    Attributes:
        channels: features of every layer, 256 as published.
        layers: how many there are, 3 as published: a stride of 32 becomes one of 4.
    """

    channels: int = 256
    layers: int = 3

    def __call__(self, outputs: int) -> "DeconvolutionsHead":
        """Return the head of a number of outputs."""
        return DeconvolutionsHead(outputs, self.channels, self.layers)


class DeconvolutionsHead(nn.Module):
    """An answer for every place, after transposed convolutions; attributes as of the maker."""

    outputs: int
    channels: int
    layers: int

    normalises = True

    @nn.compact
    def __call__(self, found: Features, train: bool = False, axis_name: str | None = None) -> Array:
        """Return float32 (B, H, W, outputs), 2^layers as high and wide as the last level."""
        x = list(found.levels.values())[-1].astype(jnp.float32)
        for number in range(1, self.layers + 1):
            x = nn.ConvTranspose(
                self.channels, (_SIZE, _SIZE), (2, 2), use_bias=False, kernel_init=kernel_init,
                name=f"deconv{number}",
            )(x)  # fmt: skip
            norm = nn.BatchNorm(
                use_running_average=not train, momentum=0.9, axis_name=axis_name,
                name=f"norm{number}",
            )  # fmt: skip
            x = nn.relu(norm(x))
        return nn.Conv(self.outputs, (1, 1), kernel_init=_answer_init, name="places")(x)
