"""Points in images, as they move with these; a point is (down, right) in pixels, float32.

Coordinates are continuous: the middle of the first pixel lies at (0.5, 0.5). Points outside of an
image stay what they are; who uses them says what they mean.
"""

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.images.augment import Transform


def prepared(transform: Transform, points: Array, shape: tuple[int, ...]) -> Array:
    """Do what `Transform.prepare` does to points (B, K, 2) in images stored as (H, W, ...)."""
    return transform.boxes_resized(_boxes(points), shape)[..., :2]


def trained(
    transform: Transform, keys: Array, points: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Do what `Transform.training_input` does by the same keys.

    Returns:
        The points (B, K, 2), and which images are mirrored, bool (B,).
    """
    moved = jax.vmap(lambda key, own: transform.boxes_moved(key, own, shape))(keys, _boxes(points))
    return moved[..., :2], transform.mirrored(keys)


def with_corners(points: Array, shape: tuple[int, ...]) -> Array:
    """Return the corners top left, bottom left and top right of (H, W, ...), before points."""
    corners = jnp.array([[0, 0], [shape[0], 0], [0, shape[1]]], jnp.float32)
    spread = jnp.broadcast_to(corners, (len(points), 3, 2))
    return jnp.concatenate([spread, jnp.asarray(points)[..., :2]], 1)


def frame_of(corners: Array) -> Array:
    """Return where a picture lies whose corners top left, bottom left and top right are given.

    Args:
        corners: (B, 3, 2), of one that was stretched and cut, neither turned nor mirrored.

    Returns:
        (B, 4): top, left, height and width.
    """
    sides = jnp.stack([corners[:, 1, 0], corners[:, 2, 1]], -1) - corners[:, 0]
    return jnp.concatenate([corners[:, 0], sides], -1)


def area_of(corners: Array) -> Array:
    """Return the area (B,) of pictures whose corners are given, as of `frame_of`, also mirrored."""
    down, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return jnp.abs(down[:, 0] * across[:, 1] - down[:, 1] * across[:, 0])


def _boxes(points: Array) -> Array:
    """Return points as boxes without sides."""
    points = jnp.asarray(points, jnp.float32)
    return jnp.concatenate([points, points], -1)
