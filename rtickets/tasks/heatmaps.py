"""Heatmaps: a hill over every keypoint, and where the top of an answered one lies.

Places of a heatmap (h, w) of an image (H, W) lie at the middles of its parts, so that place i is
(i + 1/2) H / h pixels down.
"""

import jax.numpy as jnp
from jax import Array

_REACH = 3  # deviations that a hill's middle may lie outside of a heatmap


def hills(
    points: Array, size: tuple[int, ...], shape: tuple[int, ...], sigma: float
) -> tuple[Array, Array]:
    """Return what heatmaps should be, and which of them show anything.

    Args:
        points: (B, K, 2), down and right in pixels.
        size: (H, W) of the images.
        shape: (h, w) of the heatmaps.
        sigma: deviation of a hill, in places.

    Returns:
        float32 (B, h, w, K), 1 where a keypoint lies at a place, and bool (B, K).
    """
    extents = jnp.array(shape, jnp.float32)
    middles = points * (extents / jnp.array(size, jnp.float32)) - 0.5
    reach = _REACH * sigma
    seen = ((middles >= -reach) & (middles <= extents - 1 + reach)).all(-1)
    rows, columns = (
        jnp.exp(-0.5 * ((jnp.arange(shape[axis]) - middles[..., axis, None]) / sigma) ** 2)
        for axis in (0, 1)
    )
    return jnp.einsum("bkh,bkw->bhwk", rows, columns, precision="highest"), seen


def tops(heatmaps: Array, size: tuple[int, ...]) -> tuple[Array, Array]:
    """Return where heatmaps are highest, and how high.

    That is the middle of the highest place, of equal ones the first, moved by a quarter of a place
    along each axis towards the higher of its neighbours, unless the place lies at the rim
    (Newell et al. 2016).

    Args:
        heatmaps: (B, h, w, K).
        size: (H, W) of the images.

    Returns:
        (B, K, 2), down and right in pixels, and (B, K).
    """
    batch, height, width, count = heatmaps.shape
    flat = jnp.moveaxis(heatmaps, -1, 1).reshape(batch, count, height * width)
    best = flat.argmax(-1)
    place = jnp.stack(jnp.divmod(best, width), -1)

    def at(row: Array, column: Array) -> Array:
        index = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
        return jnp.take_along_axis(flat, index[..., None], -1)[..., 0]

    row, column = place[..., 0], place[..., 1]
    slopes = [at(row + 1, column) - at(row - 1, column), at(row, column + 1) - at(row, column - 1)]
    inside = ((place > 0) & (place < jnp.array([height - 1, width - 1]))).all(-1)
    moved = place + jnp.where(inside[..., None], jnp.sign(jnp.stack(slopes, -1)) / 4, 0)
    scale = jnp.array(size, jnp.float32) / jnp.array([height, width], jnp.float32)
    return (moved + 0.5) * scale, at(row, column)
