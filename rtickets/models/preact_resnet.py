"""Residual networks with pre-activation for small images (He et al. 2016)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.architectures import Request
from rtickets.models.narrow import convolve
from rtickets.models.network import BackboneAndHead, Features, LinearHead, kernel_init, pooled
from rtickets.models.preactivation import ACTIVATIONS, Padding, PreActivationBlock, Shortcut


class PreActResNet(BackboneAndHead):
    """A residual network with pre-activation from pixels in [0, 1] to logits.

    Attributes:
        stage_sizes: number of blocks per stage; the first block of every later stage halves the
            resolution.
        num_classes: width of the head.
        width: features of the stem and the first stage; later stages double them.
        mean: per-channel mean that the images are normalised with.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        axis_name: mapped axis over which training statistics are shared, or None.
        activation: see `PreActivationBlock`, as the next two.
        shortcut: of its blocks.
        padding: of its blocks.
        final_norm: normalise and activate before the features are averaged.
        make_head: makes the head of `num_classes`.
    """

    stage_sizes: tuple[int, ...]
    num_classes: int
    width: int = 64
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    activation: str = "relu"
    shortcut: Shortcut = "activated"
    padding: Padding = "symmetric"
    final_norm: bool = True
    make_head: Callable[[int], nn.Module] = LinearHead

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return the output of the stem and of every stage."""
        conv = partial(
            nn.Conv, use_bias=False, dtype=self.dtype, kernel_init=kernel_init,
            conv_general_dilated=convolve,
        )  # fmt: skip
        norm = partial(
            nn.BatchNorm, use_running_average=not train, momentum=0.9, epsilon=self.epsilon,
            dtype=self.dtype, axis_name=self.axis_name,
        )  # fmt: skip
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        x = conv(self.width, (3, 3), padding=1, name="stem_conv")(x)
        levels, inputs = {"stem": x}, self.width
        for stage, blocks in enumerate(self.stage_sizes):
            for index in range(blocks):
                features = self.width * 2**stage
                x = PreActivationBlock(
                    features, 2 if stage > 0 and index == 0 else 1, conv, norm,
                    self.activation, self.shortcut, self.padding, inputs,
                    name=f"stage{stage + 1}_block{index + 1}",
                )(x)  # fmt: skip
                inputs = features
            levels[f"stage{stage + 1}"] = x
        if self.final_norm:
            levels[f"stage{stage + 1}"] = ACTIVATIONS[self.activation](norm(name="final_norm")(x))
        return pooled(levels)


_VARIANTS: dict[str | None, dict[str, Any]] = {
    None: {},
    "deepmind": {"shortcut": "input 3x3", "padding": "end", "activation": "silu"},
    "kuangliu": {"final_norm": False},
    "wong": {"final_norm": False, "shortcut": "input"},
}


def make_preact_resnet(asked: Request, stage_sizes: tuple[int, ...]) -> PreActResNet:
    """Return a residual network with pre-activation."""
    own = {"activation": "relu", **_VARIANTS[asked.variant]}
    own |= {"activation": asked.activation} if asked.activation else {}
    return PreActResNet(stage_sizes, asked.num_classes, asked.scaled(64), **own, **asked.shared)
