"""Wide residual networks with pre-activation for small images (Zagoruyko & Komodakis 2016).

The layout is the one in which robust CIFAR networks are commonly published: where a block changes
the number of features, its shortcut starts from the normalised and activated input. Those of Gowal
et al. 2020 and after have SiLU, and pad as TensorFlow does.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.models.architectures import Request
from rtickets.models.narrow import convolve
from rtickets.models.network import BackboneAndHead, Features, LinearHead, kernel_init, pooled
from rtickets.models.preactivation import ACTIVATIONS, Padding, PreActivationBlock


class WideResNet(BackboneAndHead):
    """A wide residual network from pixels in [0, 1] to logits.

    Attributes:
        blocks: number of blocks in each of the three stages, (depth - 4) / 6.
        num_classes: width of the head.
        width: features of the first stage, 16 times the widening factor; later stages double them.
        mean: per-channel mean that the images are normalised with.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        axis_name: mapped axis over which training statistics are shared, or None.
        activation: see `PreActivationBlock`, as the next.
        padding: of its blocks.
        make_head: makes the head of `num_classes`.
    """

    blocks: int
    num_classes: int
    width: int = 160
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    activation: str = "relu"
    padding: Padding = "symmetric"
    make_head: Callable[[int], nn.Module] = LinearHead

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
        inputs = 16
        x = conv(inputs, (3, 3), padding=1, name="stem_conv")(x)
        levels = {"stem": x}
        for stage in range(3):
            for index in range(self.blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                features = self.width * 2**stage
                x = PreActivationBlock(
                    features, stride, conv, norm, self.activation, padding=self.padding,
                    inputs=inputs, name=f"stage{stage + 1}_block{index + 1}",
                )(x)  # fmt: skip
                inputs = features
            levels[f"stage{stage + 1}"] = x
        # Blocks normalise before they convolve, so that the last one's sum is left to do here.
        levels["stage3"] = ACTIVATIONS[self.activation](norm(name="final_norm")(x))
        return pooled(levels)


def make_wide_resnet(asked: Request, blocks: int, widening: int) -> WideResNet:
    """Return a wide residual network."""
    deepmind = asked.variant == "deepmind"
    return WideResNet(
        blocks,
        asked.num_classes,
        asked.scaled(16 * widening),
        activation=asked.activation or ("silu" if deepmind else "relu"),
        padding="end" if deepmind else "symmetric",
        **asked.shared,
    )
