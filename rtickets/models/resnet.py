"""Residual networks (He et al. 2016) with pixel normalisation inside.

Images enter as floats in [0, 1], NHWC. Padding is explicit and symmetric and the bottleneck strides
in its 3x3 convolution, as in the common PyTorch layout, so that published weights can be used; the
momentum 0.9 of the running statistics is what PyTorch calls 0.1. Wide networks of bottlenecks are
those of Zagoruyko & Komodakis 2016. Parameters, normalisation statistics and logits are float32;
`dtype` is the compute precision.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.architectures import Request, Stem
from rtickets.models.narrow import convolve
from rtickets.models.network import BackboneAndHead, Features, LinearHead, kernel_init, pooled
from rtickets.models.preactivation import ACTIVATIONS, Padding

Dilation = tuple[int, int]
"""Of the 3x3 convolutions of a block up to the one that strides, and after it: where a block once
halved the resolution and does not any more, those after it look twice as far, and so find at every
second place what they would have found."""


_STEM_STRIDES = {"small": 1, "imagenet": 4}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Attributes:
        features: of the output.
        stride: of the convolution that strides.
        conv: makes a convolution.
        norm: makes a normalisation layer.
        activation: of the layers.
        dilation: see `Dilation`.
        inputs: features of the input in the published network; None is as many as there are.
    """

    features: int
    stride: int
    conv: Callable[..., Any]
    norm: Callable[..., Any]
    activation: Callable[[Array], Array] = nn.relu
    dilation: Dilation = (1, 1)
    inputs: int | None = None

    expansion = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, features)."""
        conv3 = partial(_conv3, self.conv, self.features)
        y = conv3(self.dilation[0], strides=self.stride, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y))
        y = self.norm(name="norm2")(conv3(self.dilation[1], name="conv2")(y))
        return self.activation(y + _shortcut(self, x, self.features))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the output has 4 times the features.

    Attributes are those of `BasicBlock`.
    """

    features: int
    stride: int
    conv: Callable[..., Any]
    norm: Callable[..., Any]
    activation: Callable[[Array], Array] = nn.relu
    dilation: Dilation = (1, 1)
    inputs: int | None = None

    expansion = 4
    widening = 1  # of the two inner convolutions
    strided = "conv2"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (B, H, W, C) to (B, H / stride, W / stride, 4 features)."""
        conv1 = partial(self.conv, kernel_size=(1, 1), padding=0)
        inner = self.widening * self.features
        first, second = (self.stride, 1) if self.strided == "conv1" else (1, self.stride)
        y = conv1(inner, strides=first, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y))
        dilation = self.dilation[1 if self.strided == "conv1" else 0]
        y = _conv3(self.conv, inner, dilation, strides=second, name="conv2")(y)
        y = self.activation(self.norm(name="norm2")(y))
        y = self.norm(name="norm3")(conv1(4 * self.features, name="conv3")(y))
        return self.activation(y + _shortcut(self, x, 4 * self.features))


class WideBottleneck(Bottleneck):
    """A bottleneck whose inner convolutions have twice the features."""

    widening = 2


class CaffeBottleneck(Bottleneck):
    """A bottleneck that strides in its first convolution, as the first published networks did."""

    strided = "conv1"


def _conv3(conv: Callable[..., Any], features: int, dilation: int, **options: Any) -> Any:
    return conv(features, (3, 3), kernel_dilation=dilation, padding=dilation, **options)


def _shortcut(block: BasicBlock | Bottleneck, x: Array, features: int) -> Array:
    inputs = x.shape[-1] if block.inputs is None else block.inputs
    if block.stride == 1 and inputs == features:
        return x
    y = block.conv(features, (1, 1), strides=block.stride, padding=0, name="shortcut_conv")(x)
    return block.norm(name="shortcut_norm")(y)


class ResNet(BackboneAndHead):
    """A residual network from pixels in [0, 1] to logits.

    Attributes:
        stage_sizes: number of blocks per stage; the first block of every later stage halves the
            resolution.
        block: `BasicBlock`, `Bottleneck` or a kind of it.
        num_classes: width of the head.
        width: features of the first stage, 64 in the published networks.
        stem: 'imagenet' is a 7x7 convolution of stride 2 and a max-pool, 'small' a 3x3 convolution
            of stride 1 for images of about 32 pixels.
        mean: per-channel mean that the images are normalised with.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        axis_name: mapped axis over which training statistics are shared, or None.
        stem_features: features of the stem; None is `width`.
        pool_padding: padding of the max-pool: 'symmetric', or 'end' for the last row and column
            alone.
        activation: a key of `ACTIVATIONS`.
        make_head: makes the head of `num_classes`.
        output_stride: how many pixels lie between two places of the last level, where that is less
            than usual: later stages dilate instead of striding, with the same weights.
    """

    stage_sizes: tuple[int, ...]
    block: type[BasicBlock] | type[Bottleneck]
    num_classes: int
    width: int = 64
    stem: Stem = "imagenet"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    stem_features: int | None = None
    pool_padding: Padding = "symmetric"
    activation: str = "relu"
    make_head: Callable[[int], nn.Module] = LinearHead
    output_stride: int | None = None

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return the output of the stem and of every stage."""
        conv = partial(
            nn.Conv, use_bias=False, dtype=self.dtype, kernel_init=kernel_init,
            conv_general_dilated=convolve,
        )  # fmt: skip
        norm = partial(
            nn.BatchNorm,
            use_running_average=not train,
            momentum=0.9,
            epsilon=self.epsilon,
            dtype=self.dtype,
            axis_name=self.axis_name,
        )
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        act = ACTIVATIONS[self.activation]
        features = self.width if self.stem_features is None else self.stem_features
        if self.stem == "imagenet":
            x = conv(features, (7, 7), strides=2, padding=3, name="stem_conv")(x)
            x = act(norm(name="stem_norm")(x))
            edge = (0 if self.pool_padding == "end" else 1, 1)
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=(edge, edge))
        else:
            x = conv(features, (3, 3), padding=1, name="stem_conv")(x)
            x = act(norm(name="stem_norm")(x))
        levels, inputs = {"stem": x}, features
        for stage, (blocks, how) in enumerate(zip(self.stage_sizes, self._strides(), strict=True)):
            for index in range(blocks):
                stride, dilation = how if index == 0 else (1, (how[1][1],) * 2)
                name = f"stage{stage + 1}_block{index + 1}"
                features = self.width * 2**stage
                x = self.block(
                    features, stride, conv, norm, act, dilation, inputs, name=name
                )(x)  # fmt: skip
                inputs = self.block.expansion * features
            levels[f"stage{stage + 1}"] = x
        # The head computes in float32, whatever the precision of the backbone.
        return pooled(levels)

    def _strides(self) -> list[tuple[int, Dilation]]:
        """Return the stride of the first block of every stage, and its dilation."""
        found = [(1, (1, 1))]
        reached, dilation = _STEM_STRIDES[self.stem], 1
        for _ in self.stage_sizes[1:]:
            if self.output_stride is None or reached < self.output_stride:
                reached *= 2
                found.append((2, (dilation, dilation)))
            else:
                found.append((1, (dilation, 2 * dilation)))
                dilation *= 2
        return found


def make_resnet(
    asked: Request, stage_sizes: tuple[int, ...], block: Any, *, thin: bool = False
) -> ResNet:
    """Return a residual network; a thin one has half the features after its stem.

    Raises:
        InputError: for an output stride that strides and dilations cannot make.
    """
    stem = asked.stem or "imagenet"
    _check_output_stride(asked.output_stride, stem, len(stage_sizes))
    own: dict[str, Any] = {"stem_features": asked.scaled(64), "pool_padding": "end"} if thin else {}
    return ResNet(
        stage_sizes,
        CaffeBottleneck if asked.variant == "caffe" else block,
        asked.num_classes,
        asked.scaled(32 if thin else 64),
        stem,
        activation=asked.activation or "relu",
        output_stride=asked.output_stride,
        **own,
        **asked.shared,
    )


def _check_output_stride(output_stride: int | None, stem: Stem, stages: int) -> None:
    least = _STEM_STRIDES[stem]
    most = least * 2 ** (stages - 1)
    if output_stride is not None and not least <= output_stride <= most:
        raise InputError(
            f"output_stride={output_stride}: with stem={stem!r} it can be {least} to {most}; "
            "choose one of these, or another stem"
        )
