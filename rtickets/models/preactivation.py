"""The residual block with pre-activation, in the forms in which robust networks are published.

It is that of He et al. 2016, "Identity mappings in deep residual networks".
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import flax.linen as nn
from jax import Array

Shortcut = Literal["activated", "input", "input 3x3"]
Padding = Literal["symmetric", "end"]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": nn.relu, "silu": nn.silu}


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after normalisation and activation, and a shortcut.

    Attributes:
        features: of the output.
        stride: of the first convolution.
        conv: makes a convolution.
        norm: makes a normalisation layer.
        activation: a key of `ACTIVATIONS`.
        shortcut: where the shape changes, a 1x1 convolution of the 'activated' input or of the
            'input' itself, or a 3x3 convolution of that ('input 3x3').
        padding: of a 3x3 convolution of stride 2: 'symmetric', or at the 'end' alone, as in
            TensorFlow at even sizes.
        inputs: features of the input in the published network; None is as many as there are.
    """

    features: int
    stride: int
    conv: Callable[..., Any]
    norm: Callable[..., Any]
    activation: str = "relu"
    shortcut: Shortcut = "activated"
    padding: Padding = "symmetric"
    inputs: int | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, features)."""
        act = ACTIVATIONS[self.activation]
        at_end = self.padding == "end" and self.stride > 1
        strided = partial(
            self.conv, self.features, strides=self.stride, kernel_size=(3, 3),
            padding=((0, 1), (0, 1)) if at_end else 1,
        )  # fmt: skip
        y = act(self.norm(name="norm1")(x))
        inputs = x.shape[-1] if self.inputs is None else self.inputs
        if self.stride != 1 or inputs != self.features:
            if self.shortcut == "input 3x3":
                x = strided(name="shortcut_conv")(x)
            else:
                one = partial(self.conv, kernel_size=(1, 1), padding=0, name="shortcut_conv")
                x = one(self.features, strides=self.stride)(x if self.shortcut == "input" else y)
        y = act(self.norm(name="norm2")(strided(name="conv1")(y)))
        return x + self.conv(self.features, (3, 3), padding=1, name="conv2")(y)
