"""The searchable block of a supernet (HR-NAS; SuperTickets, You et al. 2022).

Parallel paths, one a kernel size, each an inverted bottleneck of hidden channels: 1x1 expansion,
depthwise convolution, 1x1 projection. Their outputs are added up and normalised once; a shortcut is
added. A hidden channel, its column of the expansion, its depthwise filter, both normalisations' and
its row of the projection, lives or dies as one. Without live channels the block is its shortcut.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from jax import Array

from rtickets.models.depthwise import DepthwiseConv

EXPANSION = 4
KERNEL_SIZES = (3, 5, 7)


def depthwise_init(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """Draw depthwise filters with the variance 2 / (kh kw)."""
    return math.sqrt(2 / math.prod(shape[:2])) * jax.random.normal(key, shape, dtype)


class SearchableBlock(nn.Module):
    """Paths of several kernel sizes, added up and normalised, and a shortcut.

    Attributes:
        features: of the output.
        conv: makes a convolution without a bias.
        norm: makes a normalisation layer.
        activation: of the paths.
        dtype: compute precision.
        stride: of the depthwise convolutions and of the shortcut.
        kernel_sizes: one path each.
        expansion: hidden channels of every path, times those of the input.
        inputs: features of the input in the whole network; None is as many as there are.
        depthwise_init: draws depthwise filters.
    """

    features: int
    conv: Callable[..., Any]
    norm: Callable[..., Any]
    activation: Callable[[Array], Array]
    dtype: Any
    stride: int = 1
    kernel_sizes: tuple[int, ...] = KERNEL_SIZES
    expansion: int = EXPANSION
    inputs: int | None = None
    depthwise_init: Callable[..., Any] = depthwise_init

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, features)."""
        inputs = x.shape[-1] if self.inputs is None else self.inputs
        paths = [self._path(x, size, inputs) for size in self.kernel_sizes]
        y = self.norm(name="project_norm")(sum(paths[1:], paths[0]))
        if self.stride == 1 and inputs == self.features:
            return x + y
        groups = math.gcd(inputs, self.features)
        shortcut = self.conv(
            self.features, (1, 1), strides=self.stride, feature_group_count=groups,
            name="shortcut_conv",
        )  # fmt: skip
        return shortcut(x) + y

    def _path(self, x: Array, size: int, inputs: int) -> Array:
        name = f"path{size}"
        y = self.conv(self.expansion * inputs, (1, 1), name=f"{name}_expand_conv")(x)
        y = self.activation(self.norm(name=f"{name}_expand_norm")(y))
        depthwise = DepthwiseConv(
            size, self.stride, self.dtype, self.depthwise_init, name=f"{name}_depthwise_conv"
        )
        y = self.activation(self.norm(name=f"{name}_depthwise_norm")(depthwise(y)))
        return self.conv(self.features, (1, 1), name=f"{name}_project_conv")(y)
