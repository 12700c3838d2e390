"""The head of DeepLabv3+ (Chen et al. 2018): context at several ranges, sharpened by a fine level.

The last level of the backbone is seen through a 1x1 convolution, three 3x3 convolutions of growing
dilation and its mean over all places; what they find is laid over the finest level of the backbone,
which brings the edges. Everything computes in float32.
"""

from dataclasses import dataclass
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.network import Features, kernel_init

_FINE = 48 / 256  # features that the fine level is reduced to, of those of the head
_RATES = (6, 12, 18)  # at an output stride of 16


@dataclass(frozen=True)
class DeepLab:
    """Makes heads of DeepLabv3+; equal ones make equal heads.

    Attributes:
        channels: features of every convolution, 256 as published.
        output_stride: of the backbone that it stands on, which the dilations are for: 6, 12 and 18
            at 16, twice that at 8, half of it at 32.
        fine: the level that brings the edges.
    """

    channels: int = 256
    output_stride: int = 16
    fine: str = "stage1"

    def __call__(self, classes: int) -> "DeepLabHead":
        """Return the head of a number of classes."""
        rates = tuple(max(1, rate * 16 // self.output_stride) for rate in _RATES)
        return DeepLabHead(classes, self.channels, rates, self.fine)


class DeepLabHead(nn.Module):
    """Logits of a class for every place of the fine level; attributes as of `DeepLab`."""

    classes: int
    channels: int
    rates: tuple[int, ...]
    fine: str

    normalises = True

    @nn.compact
    def __call__(self, found: Features, train: bool = False, axis_name: str | None = None) -> Array:
        """Return float32 logits (B, H, W, classes) at the resolution of the fine level."""
        if self.fine not in found.levels:
            raise InputError(
                f"fine={self.fine!r}: the backbone has the levels {', '.join(found.levels)}"
            )
        layer = partial(_Layer, train=train, axis_name=axis_name)
        coarse = list(found.levels.values())[-1].astype(jnp.float32)
        fine = found.levels[self.fine].astype(jnp.float32)
        seen = [layer(self.channels, 1, name="point")(coarse)]
        for index, rate in enumerate(self.rates):
            seen.append(layer(self.channels, 3, rate, name=f"context{index + 1}")(coarse))
        whole = layer(self.channels, 1, name="whole")(coarse.mean((1, 2), keepdims=True))
        seen.append(jnp.broadcast_to(whole, (*coarse.shape[:3], self.channels)))
        x = layer(self.channels, 1, name="joined")(jnp.concatenate(seen, -1))
        edges = layer(max(1, round(_FINE * self.channels)), 1, name="fine")(fine)
        x = jnp.concatenate([resized(x, fine.shape[1:3]), edges], -1)
        for index in range(2):
            x = layer(self.channels, 3, name=f"decoder{index + 1}")(x)
        return nn.Conv(self.classes, (1, 1), kernel_init=kernel_init, name="classes")(x)


class _Layer(nn.Module):
    """A convolution, normalised and rectified."""

    features: int
    size: int
    rate: int = 1
    train: bool = False
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        pad = self.rate * (self.size // 2)
        x = nn.Conv(
            self.features, (self.size, self.size), padding=pad, kernel_dilation=self.rate,
            use_bias=False, kernel_init=kernel_init, name="conv",
        )(x)  # fmt: skip
        norm = nn.BatchNorm(
            use_running_average=not self.train, momentum=0.9, axis_name=self.axis_name, name="norm"
        )
        return nn.relu(norm(x))


def resized(x: Array, size: tuple[int, ...]) -> Array:
    """Return (B, H, W, C) brought to another height and width, bilinearly."""
    shape = (x.shape[0], *size, x.shape[-1])
    return x if x.shape == shape else jax.image.resize(x, shape, "bilinear", antialias=False)
