"""EfficientNet-Lite0 (Tan & Le 2019; the Lite variant has ReLU6 and no squeeze-and-excitation).

As in TensorFlow, where its weights come from: 'SAME' padding, which at stride 2 pads the end alone,
epsilon 1e-3 and momentum 0.99. Dropout and stochastic depth, which only training has, are left out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.architectures import Request, Stem
from rtickets.models.depthwise import DepthwiseConv
from rtickets.models.network import BackboneAndHead, Features, LinearHead, kernel_init, pooled


class BlockStage(NamedTuple):
    """A stage: its blocks, kernel size, first stride, expansion and features."""

    blocks: int
    kernel_size: int
    stride: int
    expansion: int
    features: int


LITE0 = (
    BlockStage(1, 3, 1, 1, 16),
    BlockStage(2, 3, 2, 6, 24),
    BlockStage(2, 5, 2, 6, 40),
    BlockStage(3, 3, 2, 6, 80),
    BlockStage(3, 5, 1, 6, 112),
    BlockStage(4, 5, 2, 6, 192),
    BlockStage(1, 3, 1, 6, 320),
)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, linear 1x1 projection; a shortcut where it fits.

    `inputs` is the number of features of the input in the published network.
    """

    inputs: int
    features: int
    expansion: int
    kernel_size: int
    stride: int
    conv: Callable[..., Any]
    norm: Callable[..., Any]
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, features)."""
        y = x
        if self.expansion != 1:
            y = self.conv(self.expansion * self.inputs, (1, 1), name="expand_conv")(y)
            y = nn.relu6(self.norm(name="expand_norm")(y))
        y = DepthwiseConv(self.kernel_size, self.stride, self.dtype, name="depthwise_conv")(y)
        y = nn.relu6(self.norm(name="depthwise_norm")(y))
        y = self.norm(name="project_norm")(self.conv(self.features, (1, 1), name="project_conv")(y))
        return x + y if self.stride == 1 and self.inputs == self.features else y


class EfficientNetLite(BackboneAndHead):
    """EfficientNet-Lite0 from pixels in [0, 1] to logits.

    Attributes:
        num_classes: width of the head.
        width: multiplier on the features of every layer.
        stem: 'imagenet' has stride 2, 'small' stride 1 for images of about 32 pixels.
        mean: per-channel mean that the images are normalised with.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        axis_name: mapped axis over which training statistics are shared, or None.
        make_head: makes the head of `num_classes`.
    """

    num_classes: int
    width: float = 1.0
    stem: Stem = "imagenet"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    make_head: Callable[[int], nn.Module] = LinearHead

    epsilon = 1e-3

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return the output of the stem and of every stage."""
        conv = partial(
            nn.Conv, use_bias=False, padding="SAME", dtype=self.dtype, kernel_init=kernel_init
        )
        norm = partial(
            nn.BatchNorm,
            use_running_average=not train,
            momentum=0.99,
            epsilon=self.epsilon,
            dtype=self.dtype,
            axis_name=self.axis_name,
        )
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        stride = 2 if self.stem == "imagenet" else 1
        x = conv(self._scaled(32), (3, 3), strides=stride, name="stem_conv")(x)
        x = nn.relu6(norm(name="stem_norm")(x))
        levels, inputs = {"stem": x}, self._scaled(32)
        for number, stage in enumerate(LITE0, 1):
            for index in range(stage.blocks):
                features = self._scaled(stage.features)
                x = InvertedResidual(
                    inputs,
                    features,
                    stage.expansion,
                    stage.kernel_size,
                    stage.stride if index == 0 else 1,
                    conv,
                    norm,
                    self.dtype,
                    name=f"stage{number}_block{index + 1}",
                )(x)
                inputs = features
            levels[f"stage{number}"] = x
        top = conv(self._scaled(1280), (1, 1), name="top_conv")(x)
        return pooled({**levels, "top": nn.relu6(norm(name="top_norm")(top))})

    def _scaled(self, features: int) -> int:
        return max(1, round(features * self.width))


def make_efficientnet_lite(asked: Request) -> EfficientNetLite:
    """Return EfficientNet-Lite0."""
    return EfficientNetLite(
        asked.num_classes, asked.width, asked.stem or "imagenet", **asked.shared
    )
