"""Images of one person or thing, turned and scaled at random about their middle, or about a half.

The augmentation of top-down pose estimation (Xiao et al. 2018; halves of bodies: Wang et al. 2018),
on the device. What comes in from beyond the image is black.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.ndimage import map_coordinates

_TURNED = 0.6  # part of the images that is turned at all
_MOST = 8  # labelled points that a body needs more than, for a half to be looked at
_LEAST = 3  # that the half needs
_AROUND = 1.5  # sides of the window around a half, in those of its points


class Turns(NamedTuple):
    """How images are turned.

    Attributes:
        rotation: deviation of the angle, in degrees; twice that at most.
        scale: deviation of the factor by which the window on an image grows; at most this.
        half: chance of a window around one half of a body.
        upper: bool (K,) as a tuple, the points of the upper half.
    """

    rotation: float
    scale: float
    half: float = 0.0
    upper: tuple[bool, ...] = ()


def turned(
    key: Array, image: Array, points: Array, labelled: Array, turns: Turns
) -> tuple[Array, Array, Array]:
    """Return an image turned by a key, its points, and by how much lengths have grown.

    Args:
        image: float (H, W, C).
        points: (K, 2), see `moved_points`.
        labelled: bool (K,), points that are there.
    """
    size = jnp.array(image.shape[:2], jnp.float32)
    angle_key, turn_key, scale_key, half_key = jax.random.split(jax.random.fold_in(key, 5), 4)
    angle = jnp.clip(jax.random.normal(angle_key) * turns.rotation, *_both(2 * turns.rotation))
    angle = jnp.where(jax.random.bernoulli(turn_key, _TURNED), jnp.deg2rad(angle), 0.0)
    window = 1 + jnp.clip(jax.random.normal(scale_key) * turns.scale, *_both(turns.scale))
    centre, zoom = _half(half_key, points, labelled, size, turns)
    factor = zoom / window
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    forward = factor * jnp.array([[cosine, sine], [-sine, cosine]])
    moved = (points - centre) @ forward.T + size / 2
    places = jnp.stack(jnp.meshgrid(*(jnp.arange(n) + 0.5 for n in image.shape[:2]), indexing="ij"))
    back = jnp.linalg.inv(forward)
    offsets = jnp.einsum("ij,jhw->ihw", back, places - (size / 2)[:, None, None])
    sources = list(offsets + (centre - 0.5)[:, None, None])
    channels = [
        map_coordinates(image[..., c], sources, order=1, mode="constant")
        for c in range(image.shape[-1])
    ]
    return jnp.stack(channels, -1), moved, factor


def _both(most: float) -> tuple[float, float]:
    return -most, most


def _half(
    key: Array, points: Array, labelled: Array, size: Array, turns: Turns
) -> tuple[Array, Array]:
    """Return the middle of the window, and how much larger than usual things are in it."""
    middle, one = size / 2, jnp.float32(1)
    if not turns.half:
        return middle, one
    asked, which = jax.random.split(key)
    upper = jnp.array(turns.upper)
    first = jax.random.bernoulli(which)
    chosen = labelled & jnp.where(first, upper, ~upper)
    other = labelled & jnp.where(first, ~upper, upper)
    chosen = jnp.where(chosen.sum() >= _LEAST, chosen, other)
    fits = (labelled.sum() > _MOST) & (chosen.sum() >= _LEAST)
    fits &= jax.random.bernoulli(asked, turns.half)
    mean = jnp.where(chosen[:, None], points, 0).sum(0) / jnp.maximum(chosen.sum(), 1)
    low = jnp.where(chosen[:, None], points, jnp.inf).min(0)
    high = jnp.where(chosen[:, None], points, -jnp.inf).max(0)
    sides = jnp.maximum(jnp.where(fits, high - low, 1), 1)
    zoom = (size / (_AROUND * sides)).min()
    return jnp.where(fits, mean, middle), jnp.where(fits, zoom, one)
