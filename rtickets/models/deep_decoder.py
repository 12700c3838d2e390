"""The deep decoder (Heckel & Hand 2019): an image from a small tensor, with few weights.

It has no convolution wider than a pixel; neighbours meet where the image is made larger.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets.models.architectures import Request
from rtickets.models.generator_layers import ImageNorm, Reflected
from rtickets.models.network import BackboneAndHead, Features, LinearHead, pooled

PUBLISHED_LAYERS, PUBLISHED_CHANNELS = 5, 128


class DeepDecoder(BackboneAndHead):
    """1x1 convolutions, each but the last followed by bilinear doubling; ReLU, normalisation.

    Attributes:
        num_classes: width of the head.
        channels: features of every layer.
        layers: how often the input's sides are doubled.
        mean: see `Hourglass`, as `std`, `dtype`, `make_head` and `linear`.
    """

    num_classes: int
    channels: int = PUBLISHED_CHANNELS
    layers: int = PUBLISHED_LAYERS
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    make_head: Callable[[int], nn.Module] = LinearHead
    linear: bool = False

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return every layer; the last has 2 ** layers times the sides of the input."""
        del train  # the statistics are those of the image always
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        levels = {"stem": x}
        for number in range(1, self.layers + 2):
            conv = Reflected(
                self.channels, 1, use_bias=False, dtype=self.dtype, name=f"stage{number}_conv"
            )
            x = conv(x)
            if number <= self.layers:
                x = bilinear(x)
            norm = ImageNorm(self.epsilon, self.linear, name=f"stage{number}_norm")
            x = norm(nn.relu(x))
            levels[f"stage{number}"] = x
        return pooled(levels)


def bilinear(x: Array) -> Array:
    """Return (B, H, W, C) enlarged to (B, 2 H, 2 W, C), linearly between the middles of places."""
    for axis in (1, 2):
        size = x.shape[axis]
        part = partial(jax.lax.slice_in_dim, x, axis=axis)
        before = jnp.concatenate([part(0, 1), part(0, size - 1)], axis)
        after = jnp.concatenate([part(1, size), part(size - 1, size)], axis)
        pair = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    return x


def make_deep_decoder(asked: Request) -> DeepDecoder:
    """Return the deep decoder, its features times the width."""
    return DeepDecoder(asked.num_classes, asked.scaled(PUBLISHED_CHANNELS), **asked.shared)
