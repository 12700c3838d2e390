"""Depthwise convolution, fast on every platform."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from rtickets.models.network import kernel_init


@partial(jax.jit, static_argnums=2)  # layers of one shape are traced once
def depthwise_conv(x: Array, kernel: Array, stride: int = 1) -> Array:
    """Convolve every channel of (B, H, W, C) with its kernel of (kh, kw, 1, C), 'SAME' padding.

    XLA's grouped convolution is slow on CPU; there the kernel is applied as a sum of shifted images
    instead, with the same result up to rounding.
    """
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: shifted_sum(x, kernel, stride),
        default=lambda x, kernel: grouped_conv(x, kernel, stride),
    )


def grouped_conv(x: Array, kernel: Array, stride: int) -> Array:
    """Return `depthwise_conv` as XLA's grouped convolution."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def shifted_sum(x: Array, kernel: Array, stride: int) -> Array:
    """Return `depthwise_conv` as a sum over the kernel's positions."""
    sizes = kernel.shape[:2]
    pads = lax.padtype_to_pads(x.shape[1:3], sizes, (stride, stride), "SAME")
    height, width = (-(-length // stride) for length in x.shape[1:3])
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = stride * (height - 1) + 1, stride * (width - 1) + 1
    terms = (
        x[:, i : i + rows : stride, j : j + columns : stride] * kernel[i, j, 0]
        for i in range(sizes[0])
        for j in range(sizes[1])
    )
    return sum(terms, jnp.zeros((), x.dtype))


class DepthwiseConv(nn.Module):
    """A layer of `depthwise_conv`, its kernel (kernel_size, kernel_size, 1, C)."""

    kernel_size: int
    stride: int = 1
    dtype: Any = jnp.float32
    kernel_init: Any = kernel_init

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, C)."""
        shape = (self.kernel_size, self.kernel_size, 1, x.shape[-1])
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        return depthwise_conv(x.astype(self.dtype), jnp.asarray(kernel, self.dtype), self.stride)
