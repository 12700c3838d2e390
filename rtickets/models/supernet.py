"""Supernets: several resolutions side by side, made of searchable blocks, from a table of stages.

The network of HR-NAS (Ding et al. 2021) that SuperTickets (You et al. 2022) are drawn from, without
its optional transformers. A stage is a fusion of neighbouring resolutions, to which it may add a
lower one, and a chain of blocks on every one. What follows is the trunk: `Joined` brings all
branches to the finest one, for tasks that answer places, and `Gathered` takes them down to the
coarsest, for classes. The head is the task's, so that tasks share everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.architectures import Architecture, Request, Stem
from rtickets.models.heads.deeplab import resized
from rtickets.models.network import BackboneAndHead, Features, LinearHead, kernel_init, pooled
from rtickets.models.preactivation import ACTIVATIONS
from rtickets.models.searchable import (
    EXPANSION,
    KERNEL_SIZES,
    SearchableBlock,
    depthwise_init,
)


class Stage(NamedTuple):
    """A row of the table: features of every branch, from fine to coarse, and blocks in each."""

    features: tuple[int, ...]
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Joined:
    """All branches at the places of the finest, through one block of so many features."""

    features: int


@dataclass(frozen=True)
class Gathered:
    """Every branch made wider, the finer ones taken down into the coarser, then a 1x1 convolution.

    Attributes:
        branches: features that each branch is made.
        features: of the convolution.
    """

    branches: tuple[int, ...]
    features: int


@dataclass(frozen=True)
class Table:
    """What a supernet is built from.

    Attributes:
        stem: features of its two convolutions.
        stages: rows; each has as many branches as the one before, or one more.
        trunk: what follows the stages.
        kernel_sizes: of the paths of every block.
        expansion: hidden channels of every path, times the block's inputs.
        momentum: what running statistics keep of themselves at every step.
        epsilon: what normalisation layers add to variances.
        deviation: of the initial kernels of the backbone; None is that of MnasNet, by the number of
            outputs.
    """

    stem: int
    stages: tuple[Stage, ...]
    trunk: Joined | Gathered
    kernel_sizes: tuple[int, ...] = KERNEL_SIZES
    expansion: int = EXPANSION
    momentum: float = 0.99
    epsilon: float = 1e-3
    deviation: float | None = None

    def __post_init__(self) -> None:
        """Refuse a table that no network has."""
        before = 1
        for number, (features, blocks) in enumerate(self.stages, 1):
            now = len(features)
            if len(blocks) != now or now not in (before, before + 1):
                raise InputError(
                    f"stage {number} of a supernet: features {features}, blocks {blocks}, after "
                    f"{before} branches; expected as many of both, {before} or {before + 1}"
                )
            before = now
        if isinstance(self.trunk, Gathered) and len(self.trunk.branches) != before:
            raise InputError(
                f"trunk of a supernet: {len(self.trunk.branches)} numbers for {before} branches"
            )
        if not self.kernel_sizes or any(size % 2 == 0 or size < 1 for size in self.kernel_sizes):
            raise InputError(f"kernel sizes {self.kernel_sizes} of a supernet; expected odd ones")

    def scaled(self, scale: Callable[[float], int]) -> "Table":
        """Return the table with other numbers of features."""

        def each(numbers: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(map(scale, numbers))

        stages = tuple(Stage(each(stage.features), stage.blocks) for stage in self.stages)
        trunk: Joined | Gathered = Joined(scale(self.trunk.features))
        if isinstance(self.trunk, Gathered):
            trunk = Gathered(each(self.trunk.branches), scale(self.trunk.features))
        return replace(self, stem=scale(self.stem), stages=stages, trunk=trunk)


_LAST = Stage((18, 36, 72, 144), (2, 2, 3, 4))
_STAGES = (
    Stage((24,), (1,)), Stage((18, 36), (2, 2)), Stage((18, 36, 72), (2, 2, 3)), _LAST, _LAST,
)  # fmt: skip
_SMALL = (Stage((8,), (1,)), Stage((8, 16), (1, 1)), Stage((8, 16, 32), (1, 1, 1)))
TABLES = {
    "supernet_dense90": Table(24, _STAGES, Joined(90)),
    "supernet_dense180": Table(24, _STAGES, Joined(180)),
    "supernet_keypoints": Table(
        24, _STAGES, Joined(90), momentum=0.9, epsilon=1e-5, deviation=0.001
    ),
    "supernet_classes": Table(24, _STAGES, Gathered((36, 72, 144, 320), 1600)),
    "supernet_small": Table(8, _SMALL, Joined(32)),
    "supernet_tiny": Table(8, (_SMALL[0], *_SMALL[:2]), Joined(16), (3, 5)),
    "supernet_nano": Table(8, _SMALL[:2], Joined(16), (3,)),
}
"""The published ones (90 features for Cityscapes and, normalised and begun otherwise, for COCO, 180
for ADE20K, classes of ImageNet), a small one, and two for a CPU."""


class Supernet(BackboneAndHead):
    """A supernet from pixels in [0, 1] to outputs.

    Attributes:
        num_classes: width of the head.
        table: what it is built from.
        stem: 'imagenet' has two strides of 2, 'small' the second alone, for images of about 32
            pixels.
        activation: a key of `ACTIVATIONS`.
        mean: per-channel mean that the images are normalised with.
        std: per-channel standard deviation likewise.
        dtype: compute precision of the backbone.
        axis_name: mapped axis over which training statistics are shared, or None.
        make_head: makes the head of `num_classes`.
    """

    num_classes: int
    table: Table
    stem: Stem = "imagenet"
    activation: str = "relu"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    make_head: Callable[[int], nn.Module] = LinearHead

    @property
    def epsilon(self) -> float:  # type: ignore[override]
        """What normalisation layers add to variances."""
        return self.table.epsilon

    @nn.compact
    def features(self, x: Array, train: bool = False) -> Features:
        """Return the stem, the finest branch of every stage, and last the trunk."""
        layers = self._layers(train)
        x = ((x - jnp.asarray(self.mean)) / jnp.asarray(self.std)).astype(self.dtype)
        for number, stride in ((1, 2 if self.stem == "imagenet" else 1), (2, 2)):
            x = layers.conv(self.table.stem, (3, 3), strides=stride, name=f"stem_conv{number}")(x)
            x = layers.activation(layers.norm(name=f"stem_norm{number}")(x))
        levels, branches = {"stem": x}, [x]
        given: tuple[int, ...] = (self.table.stem,)
        for number, stage in enumerate(self.table.stages, 1):
            branches = _fused(layers, f"stage{number}", branches, given, stage.features)
            branches = [
                _chain(layers, f"stage{number}_branch{b + 1}", branch, *each)
                for b, (branch, *each) in enumerate(
                    zip(branches, stage.features, stage.blocks, strict=True)
                )
            ]
            given = stage.features
            levels[f"stage{number}"] = branches[0]
        trunk = self.table.trunk
        if isinstance(trunk, Joined):
            last = _joined(layers, branches, given, trunk)
        else:
            last = _gathered(layers, branches, given, trunk)
        return pooled({**levels, "trunk": last})

    def _layers(self, train: bool) -> "_Layers":
        drawn, filters = kernel_init, depthwise_init
        if self.table.deviation is not None:
            drawn = filters = nn.initializers.normal(self.table.deviation)
        conv = partial(nn.Conv, use_bias=False, padding="SAME", dtype=self.dtype, kernel_init=drawn)
        norm = partial(
            nn.BatchNorm, use_running_average=not train, momentum=self.table.momentum,
            epsilon=self.epsilon, dtype=self.dtype, axis_name=self.axis_name,
        )  # fmt: skip
        activation = ACTIVATIONS[self.activation]
        block = partial(
            SearchableBlock, conv=conv, norm=norm, activation=activation, dtype=self.dtype,
            kernel_sizes=self.table.kernel_sizes, expansion=self.table.expansion,
            depthwise_init=filters,
        )  # fmt: skip
        return _Layers(conv, norm, activation, block)


class _Layers(NamedTuple):
    """What makes the layers of a network."""

    conv: Callable[..., Any]
    norm: Callable[..., Any]
    activation: Callable[[Array], Array]
    block: Callable[..., Any]


def _fused(
    layers: _Layers, name: str, branches: list[Array], given: tuple[int, ...], wanted: Any
) -> list[Array]:
    """Return every branch as the rectified sum of what its neighbours bring it, and a new one."""
    fused = []
    for i in range(len(branches)):
        parts = []
        for j in range(max(0, i - 1), min(i + 2, len(branches))):
            block = layers.block(
                wanted[i], stride=2 if j < i else 1, inputs=given[j],
                name=f"{name}_fusion{j + 1}to{i + 1}",
            )  # fmt: skip
            part = block(branches[j])
            parts.append(_doubled(part, branches[i].shape[1:3]) if j > i else part)
        fused.append(nn.relu(sum(parts[1:], parts[0])))
    if len(wanted) > len(branches):
        new = layers.block(
            wanted[-1], stride=2, inputs=wanted[-2], name=f"{name}_branch{len(wanted)}_new"
        )
        fused.append(new(fused[-1]))
    return fused


def _doubled(x: Array, size: tuple[int, ...]) -> Array:
    """Return every place of (B, H, W, C) four times, then resized where the size is another."""
    return resized(x.repeat(2, 1).repeat(2, 2), size)


def _chain(layers: _Layers, name: str, x: Array, features: int, blocks: int) -> Array:
    for index in range(blocks):
        x = layers.block(features, inputs=features, name=f"{name}_block{index + 1}")(x)
    return x


def _joined(layers: _Layers, branches: list[Array], given: tuple[int, ...], trunk: Joined) -> Array:
    size = branches[0].shape[1:3]
    x = jnp.concatenate([resized(branch, size) for branch in branches], -1)
    return layers.block(trunk.features, inputs=sum(given), name="trunk_joined")(x)


def _gathered(
    layers: _Layers, branches: list[Array], given: tuple[int, ...], trunk: Gathered
) -> Array:
    wider = [
        layers.block(features, inputs=inputs, name=f"trunk_wider{b + 1}")(branch)
        for b, (branch, inputs, features) in enumerate(
            zip(branches, given, trunk.branches, strict=True)
        )
    ]
    x = wider[0]
    for b, branch in enumerate(wider[1:], 1):
        down = layers.block(
            trunk.branches[b], stride=2, inputs=trunk.branches[b - 1], name=f"trunk_down{b}"
        )
        x = branch + down(x)
    x = layers.conv(trunk.features, (1, 1), name="trunk_conv")(x)
    return layers.activation(layers.norm(name="trunk_norm")(x))


def supernet(table: Table) -> Architecture:
    """Return the architecture of a table, an entry for the registry."""

    def make(asked: Request) -> Supernet:
        return Supernet(
            asked.num_classes, table.scaled(asked.scaled), asked.stem or "imagenet",
            asked.activation or "relu", **asked.shared,
        )  # fmt: skip

    return Architecture(make)
