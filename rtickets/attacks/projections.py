"""Balls around images: projection onto them, steps inside them, uniform starts in them.

Everything is per example, in float32, for images (B, H, W, C) in [0, 1]. `eps` is a scalar or one
radius per example (B,), in pixel units of the norm.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError

Norm = Literal["linf", "l2"]


def check_norm(norm: str) -> None:
    """Raise InputError unless the norm is known."""
    if norm not in get_args(Norm):
        raise InputError(f"norm={norm!r} is unknown; choose one of {', '.join(get_args(Norm))}")


def per_example(value: Array | float, images: Array) -> Array:
    """Shape a scalar or (B,) value so that it broadcasts against images.

    Args:
        value: scalar or (B,).
        images: (B, ...).

    Returns:
        float32 array of shape () or (B, 1, ...).
    """
    value = jnp.asarray(value, jnp.float32)
    return value if value.ndim == 0 else value.reshape(-1, *[1] * (images.ndim - 1))


def _scaled_norm(delta: Array) -> tuple[Array, Array, Array]:
    """Return delta over its largest entry, the L2 norm of that, and the largest entry.

    Squares of the scaled values neither under- nor overflow. For a zero delta all three are zero.
    """
    axes = tuple(range(1, delta.ndim))
    largest = jnp.max(jnp.abs(delta), axes, keepdims=True)
    scaled = delta / jnp.where(largest > 0, largest, 1)
    return scaled, jnp.sqrt(jnp.sum(scaled**2, axes, keepdims=True)), largest


def l2_norm(delta: Array) -> Array:
    """Return the L2 norm of every example, safe from under- and overflow.

    Args:
        delta: float array (B, ...).

    Returns:
        float32 array (B, 1, ...).
    """
    _, length, largest = _scaled_norm(delta.astype(jnp.float32))
    return largest * length


def unit_direction(gradient: Array, norm: Norm) -> Array:
    """Return the direction of steepest ascent of unit norm; a zero gradient gives zero.

    A tiny gradient gives a full step: a constant in the denominator would shrink it.

    Args:
        gradient: float array (B, ...).
        norm: the norm of the ball.

    Returns:
        float32 array of the same shape: signs for 'linf', unit L2 norm for 'l2'.
    """
    gradient = gradient.astype(jnp.float32)
    if norm == "linf":
        return jnp.sign(gradient)
    scaled, length, _ = _scaled_norm(gradient)
    return scaled / jnp.where(length > 0, length, 1)


def project(x_adv: Array, x: Array, eps: Array | float, norm: Norm) -> Array:
    """Return the nearest image in the ball, then clipped to [0, 1].

    Clipping cannot leave the ball, because the centre lies in [0, 1].

    Args:
        x_adv: float array (B, ...), anything.
        x: float32 array (B, ...) in [0, 1], the centres.
        eps: radius, scalar or (B,).
        norm: the norm of the ball.

    Returns:
        float32 array (B, ...).
    """
    radius = per_example(eps, x)
    if norm == "linf":
        inside = jnp.clip(x_adv, x - radius, x + radius)
    else:
        delta = x_adv - x
        length = l2_norm(delta)
        inside = x + delta * jnp.minimum(1, radius / jnp.where(length > 0, length, 1))
    return jnp.clip(inside, 0, 1)


def uniform_in_ball(keys: Array, shape: tuple[int, ...], eps: Array | float, norm: Norm) -> Array:
    """Draw one point per example, uniform in the ball (not on its surface).

    Args:
        keys: PRNG keys (B,).
        shape: shape of one example.
        eps: radius, scalar or (B,).
        norm: the norm of the ball.

    Returns:
        float32 array (B, *shape).
    """

    def draw(key: Array) -> Array:
        if norm == "linf":
            return jax.random.uniform(key, shape, minval=-1, maxval=1)
        direction_key, radius_key = jax.random.split(key)
        direction = jax.random.normal(direction_key, shape)
        dimensions = max(direction.size, 1)
        radius = jax.random.uniform(radius_key) ** (1 / dimensions)
        return direction / jnp.linalg.norm(direction.ravel()) * radius

    points = jax.vmap(draw)(keys)
    return points * per_example(eps, points)
