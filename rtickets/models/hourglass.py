"""The hourglass that paints an image from noise (Ulyanov et al. 2018; Ghosh et al. 2024).

It goes down to a coarse level and up again. Without skip connections all that it paints has gone
through the bottleneck, which is why a sparse one is slow to paint noise.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.architectures import Request
from rtickets.models.generator_layers import SLOPE, ImageNorm, Reflected, doubled
from rtickets.models.network import BackboneAndHead, Features, LinearHead, pooled

PUBLISHED = (16, 32, 64, 128, 128, 128)


class Hourglass(BackboneAndHead):
    """An hourglass; every scale down is two 5x5 convolutions, every scale up a 3x3 one.

    Sides that are no multiple of 2 ** scales are continued by reflection, and what is painted there
    is cut off.

    Attributes:
        num_classes: width of the head; of `heads.picture.PictureHead` the channels of the image.
        channels: features of every scale, from fine to coarse, 6 scales as published.
        skip: features that every scale hands over beside the bottleneck; 0 is none, as published.
        mean: per-channel mean that inputs are normalised with; noise has 0.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        make_head: makes the head of `num_classes`.
        linear: see `ImageNorm`.
    """

    num_classes: int
    channels: tuple[int, ...] = PUBLISHED
    skip: int = 0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    make_head: Callable[[int], nn.Module] = LinearHead
    linear: bool = False

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return the levels down, 'stage1' and so on, then those up again, the finest last."""
        del train  # the statistics are those of the image always
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        height, width = x.shape[1:3]
        below = [-side % 2 ** len(self.channels) for side in (height, width)]
        x = jnp.pad(x, ((0, 0), (0, below[0]), (0, below[1]), (0, 0)), "reflect")
        levels, beside = {"stem": x[:, :height, :width]}, []
        for number, features in enumerate(self.channels, 1):
            if self.skip:
                beside.append(self._block(x, self.skip, 1, f"skip{number}"))
            x = self._block(x, features, 5, f"down{number}_first", halve=True)
            x = self._block(x, features, 5, f"down{number}_second")
            levels[f"stage{number}"] = x
        for number in range(len(self.channels), 0, -1):
            x = doubled(x)
            if self.skip:
                x = jnp.concatenate([x, beside.pop()], -1)
            x = ImageNorm(self.epsilon, self.linear, name=f"up{number}_norm")(x)
            x = self._block(x, self.channels[number - 1], 3, f"up{number}_out")
            levels[f"up{number}"] = x
        levels["up1"] = x[:, :height, :width]
        return pooled(levels)

    def _block(self, x: Array, features: int, size: int, name: str, halve: bool = False) -> Array:
        x = Reflected(features, size, dtype=self.dtype, halve=halve, name=f"{name}_conv")(x)
        return nn.leaky_relu(ImageNorm(self.epsilon, self.linear, name=f"{name}_norm")(x), SLOPE)


def make_hourglass(
    asked: Request, channels: tuple[int, ...] = PUBLISHED, skip: int = 0
) -> Hourglass:
    """Return an hourglass, its features times the width."""
    scaled = tuple(asked.scaled(features) for features in channels)
    return Hourglass(asked.num_classes, scaled, skip, **asked.shared)


HOURGLASSES: dict[str, Callable[[Request], Hourglass]] = {
    "hourglass": make_hourglass,
    "hourglass_skip": partial(make_hourglass, skip=4),
    "hourglass_small": partial(make_hourglass, channels=(8, 12, 16, 24)),
}
