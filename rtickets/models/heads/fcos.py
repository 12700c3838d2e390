"""The head of FCOS (Tian et al. 2019): what lies around every place of several levels.

Levels of the backbone are brought to one width and added up from coarse to fine (a feature pyramid,
Lin et al. 2017); coarser ones follow by convolutions of stride 2. Two towers of convolutions, the
same for all levels, end in a score for every class, and in the distances to the sides of the object
that a place lies in and how near it lies to the middle. Everything computes in float32; layers are
normalised in groups of features (Wu & He 2018), so that no statistics are kept.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.network import Features, kernel_init

_GROUPS = 32
_PRIOR = 0.01  # what scores start at: most places lie in no object
_MOST = 10.0  # of the logarithm of a distance, so that it stays finite
_answer_init = nn.initializers.normal(0.01)


@dataclass(frozen=True)
class Fcos:
    """Makes heads of FCOS; equal ones make equal heads.

    Attributes:
        channels: features of every convolution, 256 as published.
        depth: convolutions of a tower, 4 as published.
        levels: those of the backbone that are looked at, from fine to coarse.
        coarser: how many coarser ones follow.
    """

    channels: int = 256
    depth: int = 4
    levels: tuple[str, ...] = ("stage2", "stage3", "stage4")
    coarser: int = 2

    def __call__(self, classes: int) -> "FcosHead":
        """Return the head of a number of classes."""
        return FcosHead(classes, self.channels, self.depth, self.levels, self.coarser)


class FcosHead(nn.Module):
    """What every place of every level answers; attributes as of `Fcos`."""

    classes: int
    channels: int
    depth: int
    levels: tuple[str, ...]
    coarser: int

    @nn.compact
    def __call__(self, found: Features) -> tuple[Array, ...]:
        """Return float32 (B, H, W, classes + 5) of every level, from fine to coarse.

        They are logits of the classes, the distances to the top, left, bottom and right in places
        of the level, and the logit of how near the middle the place lies.
        """
        maps = self._pyramid(found)
        conv = partial(nn.Conv, kernel_size=(3, 3), padding=1, kernel_init=_answer_init)
        bias = nn.initializers.constant(-math.log((1 - _PRIOR) / _PRIOR))
        scores = conv(self.classes, bias_init=bias, name="classes")
        distances, centre = conv(4, name="distances"), conv(1, name="centre")
        towers = [_Tower(self.channels, self.depth, name=name) for name in ("what", "where")]
        factors = self.param("factors", nn.initializers.ones, (len(maps),))
        answers = []
        for factor, x in zip(factors, maps, strict=True):
            what, where = (tower(x) for tower in towers)
            sides = jnp.exp(jnp.minimum(factor * distances(where), _MOST))
            answers.append(jnp.concatenate([scores(what), sides, centre(where)], -1))
        return tuple(answers)

    def _pyramid(self, found: Features) -> list[Array]:
        if missing := [name for name in self.levels if name not in found.levels]:
            raise InputError(
                f"levels={self.levels!r}: the backbone has the levels {', '.join(found.levels)}, "
                f"and no {missing[0]!r}"
            )
        conv = partial(nn.Conv, self.channels, kernel_init=kernel_init)
        maps: list[Any] = []
        for number, name in enumerate(self.levels, 1):
            level = found.levels[name].astype(jnp.float32)
            maps.append(conv((1, 1), name=f"lateral{number}")(level))
        for finer in reversed(range(len(maps) - 1)):
            shape = maps[finer].shape
            maps[finer] = maps[finer] + jax.image.resize(maps[finer + 1], shape, "nearest")
        maps = [
            conv((3, 3), padding=1, name=f"pyramid{number}")(x) for number, x in enumerate(maps, 1)
        ]
        for number in range(1, self.coarser + 1):
            last = maps[-1] if number == 1 else nn.relu(maps[-1])
            maps.append(conv((3, 3), strides=2, padding=1, name=f"coarser{number}")(last))
        return maps


class _Tower(nn.Module):
    """Convolutions, each normalised and rectified."""

    channels: int
    depth: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for number in range(1, self.depth + 1):
            conv = nn.Conv(
                self.channels, (3, 3), padding=1, kernel_init=kernel_init, name=f"conv{number}"
            )
            groups = math.gcd(_GROUPS, self.channels)
            x = nn.relu(nn.GroupNorm(groups, name=f"norm{number}")(conv(x)))
        return x
