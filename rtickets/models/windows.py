"""A network that answers for every place, applied to large images window by window."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from rtickets.models.heads.deeplab import resized

_OVERLAP = 1 / 3  # of neighbouring windows


@dataclass(frozen=True)
class Windows:
    """Calls a network on windows of an image, and averages its answers where these overlap.

    It stands in the place of the network in evaluations and attacks, with the same weights.

    Attributes:
        model: the network, from images (B, h, w, C) to outputs (B, h', w', K) for their places.
        size: (height, width) of a window; images that are smaller are one window.
    """

    model: Any
    size: tuple[int, int]

    def apply(self, variables: Any, x: Array, train: bool = False, **how: Any) -> Any:
        """Return outputs at the resolution of the images, (B, H, W, K), float32."""
        if train or how:
            raise NotImplementedError("windows are for evaluations, and give outputs alone")
        shape = x.shape[1:3]
        (tall, wide), corners = self._cut(shape)
        parts = [x[:, top : top + tall, left : left + wide] for top, left in corners]
        outputs = resized(self.model.apply(variables, jnp.concatenate(parts), train), (tall, wide))
        total = jnp.zeros((len(x), *shape, outputs.shape[-1]), jnp.float32)
        count = jnp.zeros(shape, jnp.float32)
        for (top, left), found in zip(corners, jnp.split(outputs, len(corners)), strict=True):
            total = total.at[:, top : top + tall, left : left + wide].add(found)
            count = count.at[top : top + tall, left : left + wide].add(1)
        return total / count[..., None]

    def cut(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], int]:
        """Return the size of the windows of an image of (height, width), and their number."""
        size, corners = self._cut(shape)
        return size, len(corners)

    def _cut(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        tall, wide = (min(pair) for pair in zip(self.size, shape, strict=True))
        tops, lefts = starts(shape[0], tall), starts(shape[1], wide)
        return (tall, wide), [(top, left) for top in tops for left in lefts]


def starts(length: int, window: int) -> tuple[int, ...]:
    """Return where windows begin along a side: a third overlaps, and the last ends at the edge."""
    step = max(1, round((1 - _OVERLAP) * window))
    last = length - window
    return (*range(0, last, step), last)
