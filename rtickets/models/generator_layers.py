"""Layers of networks that paint one image: padding that continues it, its own statistics."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets.models.network import head_init

SLOPE = 0.2  # of LeakyReLU below zero


def _bias_init(fan_in: int) -> Any:
    """Return uniform biases within 1 / sqrt(fan in), as those of the kernels are."""

    def init(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        bound = fan_in**-0.5
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Reflected(nn.Module):
    """A convolution of odd size at every place; beyond the border the image is reflected.

    Attributes:
        features: that it returns.
        size: of its kernel.
        use_bias: whether it has one.
        dtype: compute precision.
        halve: average what comes out over 2x2 places; sides must be even.
    """

    features: int
    size: int = 3
    use_bias: bool = True
    dtype: Any = jnp.float32
    halve: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H, W, features), of half the sides with `halve`."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", head_init, shape).astype(self.dtype)
        pad = self.size // 2
        x = jnp.pad(x.astype(self.dtype), ((0, 0), (pad, pad), (pad, pad), (0, 0)), "reflect")
        x = _averaged(x, kernel) if self.halve else _convolved(x, kernel)
        if not self.use_bias:
            return x
        fan_in = self.size * self.size * shape[2]
        bias: Array = self.param("bias", _bias_init(fan_in), (self.features,))
        return x + bias.astype(self.dtype)


def _convolved(x: Array, kernel: Array) -> Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _averaged(x: Array, kernel: Array) -> Array:
    """Return what `halved` makes of a convolution of odd size, in a third of the operations.

    Averages of neighbours and convolutions commute: it is the averaged image that is convolved, and
    only at every other place. The four kinds of places go into channels, as the gradient of a
    convolution with strides is slow on CPU.
    """
    for axis in (1, 2):
        sides = x.shape[axis]
        before = jax.lax.slice_in_dim(x, 0, sides - 1, axis=axis)
        x = (before + jax.lax.slice_in_dim(x, 1, sides, axis=axis)) / 2
    b, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = x.reshape(b, -(-h // 2), 2, -(-w // 2), 2, c).transpose(0, 1, 3, 2, 4, 5)
    half, features = kernel.shape[0] // 2 + 1, kernel.shape[-1]
    kernel = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
    kernel = kernel.reshape(half, 2, half, 2, c, features).transpose(0, 2, 1, 3, 4, 5)
    return _convolved(x.reshape(*x.shape[:3], 4 * c), kernel.reshape(half, half, 4 * c, features))


class ImageNorm(nn.Module):
    """Normalisation of every channel by its mean and variance over the places of the one image.

    It is batch normalisation in training of a batch of one, so there are no running statistics, and
    no image depends on another. The variance is that of centred values, never negative. Values are
    taken from that of the first place, so that a channel that is constant, as one that is dead,
    becomes its bias exactly, with finite gradients, whatever rounding makes of its mean.

    Attributes:
        epsilon: added to variances.
        linear: leave the statistics out, so that outputs are proportional to inputs but for biases,
            as SynFlow wants them.
    """

    epsilon: float = 1e-5
    linear: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to the same shape, in its precision."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        wide = x.astype(jnp.float32)
        if self.linear:
            return (wide * scale + bias).astype(x.dtype)
        wide = wide - jax.lax.stop_gradient(wide[:, :1, :1])  # its gradient would be 0
        centred = wide - wide.mean((1, 2), keepdims=True)
        variance = jnp.square(centred).mean((1, 2), keepdims=True)
        return (centred * jax.lax.rsqrt(variance + self.epsilon) * scale + bias).astype(x.dtype)


def halved(x: Array) -> Array:
    """Return (B, H, W, C) averaged over 2x2 places, (B, H / 2, W / 2, C)."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def doubled(x: Array) -> Array:
    """Return (B, H, W, C) with every place four times, (B, 2 H, 2 W, C)."""
    b, h, w, c = x.shape
    spread = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    return spread.reshape(b, 2 * h, 2 * w, c)
