"""Balls around images: projection onto them, steps inside them, uniform starts in them.

Everything is per example, in float32, for images (B, H, W, C) in [0, 1]. `eps` is a scalar or one
radius per example (B,), in pixel units of the norm.
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.errors import InputError

Norm = Literal["linf", "l2", "l1"]
_BISECTIONS = 32  # halvings of the level's bracket before it is solved for exactly


def check_norm(norm: str) -> None:
    """Raise InputError unless the norm is known."""
    if norm not in get_args(Norm):
        raise InputError(f"norm={norm!r} is unknown; choose one of {', '.join(get_args(Norm))}")


def per_example(value: Array | float, images: Array) -> Array:
    """Shape a scalar or (B,) value so that it broadcasts against images (B, ...), as float32."""
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
    """Return the L2 norm of every example, (B, 1, ...), safe from under- and overflow."""
    _, length, largest = _scaled_norm(delta.astype(jnp.float32))
    return largest * length


def unit_direction(gradient: Array, norm: Norm) -> Array:
    """Return the direction of steepest ascent of unit norm; a zero gradient gives zero.

    Signs for 'linf', unit L2 norm for 'l2', for 'l1' the signs of the largest entries over their
    number. A tiny gradient gives a full step: a constant in the denominator would shrink it.
    """
    gradient = gradient.astype(jnp.float32)
    if norm == "linf":
        return jnp.sign(gradient)
    scaled, length, _ = _scaled_norm(gradient)
    if norm == "l1":
        largest = jnp.sign(scaled) * (jnp.abs(scaled) == 1)
        count = jnp.sum(jnp.abs(largest), tuple(range(1, largest.ndim)), keepdims=True)
        return largest / jnp.maximum(count, 1)
    return scaled / jnp.where(length > 0, length, 1)


def ascend(x_adv: Array, gradient: Array, step_size: Array | float, norm: Norm) -> Array:
    """Take the step of the given length that increases the linearised loss most.

    The result may lie outside the ball. For 'l1' the step also minds [0, 1], because the largest
    entries of the gradient are often those of pixels that cannot move: they are filled up in the
    order of the gradient until the step is spent (after the steepest ascent in the intersection of
    ball and box, Croce & Hein 2021).
    """
    if norm != "l1":
        return x_adv + per_example(step_size, x_adv) * unit_direction(gradient, norm)
    slope = gradient.astype(jnp.float32).reshape(len(x_adv), -1)
    pixels = x_adv.reshape(slope.shape)
    room = jnp.where(slope > 0, 1 - pixels, pixels) * (slope != 0)
    order = jnp.argsort(-jnp.abs(slope), axis=1)
    sorted_room = jnp.take_along_axis(room, order, 1)
    spent = jnp.cumsum(sorted_room, 1) - sorted_room
    budget = jnp.reshape(jnp.asarray(step_size, jnp.float32), (-1, 1))
    moves = jnp.clip(budget - spent, 0, sorted_room)
    moves = jnp.take_along_axis(moves, jnp.argsort(order, axis=1), 1) * jnp.sign(slope)
    return x_adv + moves.reshape(x_adv.shape)


def climb(
    x_adv: Array,
    gradient: Array,
    step_size: Array | float,
    x: Array,
    eps: Array | float,
    norm: Norm,
) -> Array:
    """Take one step of projected gradient ascent in the ball around x, none by a zero gradient.

    For 'l1' the step leads towards the image that maximises the linearised loss in ball and box
    (Frank & Wolfe 1956). A projection would take from the largest entries as much as from those
    that the step has overfilled, and so stay away from the optimum by more than the step is short.
    """
    if norm != "l1":
        return project(ascend(x_adv, gradient, step_size, norm), x, eps, norm)
    axes = tuple(range(1, x.ndim))
    way = (ascend(x, gradient, eps, "l1") - x_adv) * (gradient != 0).any(axes, keepdims=True)
    length = jnp.sum(jnp.abs(way), axes, keepdims=True)
    share = jnp.minimum(1, per_example(step_size, x) / jnp.where(length > 0, length, 1))
    return jnp.clip(x_adv + share * way, 0, 1)


def project(x_adv: Array, x: Array, eps: Array | float, norm: Norm) -> Array:
    """Return the nearest image to anything (B, ...) in the ball around x, then clipped to [0, 1].

    Clipping cannot leave the ball, because the centre lies in [0, 1]. For 'l1' the result is the
    nearest point of ball and box together: clipping afterwards would waste much of the radius.
    """
    radius = per_example(eps, x)
    if norm == "linf":
        inside = jnp.clip(x_adv, x - radius, x + radius)
    elif norm == "l1":
        inside = x + _project_l1(x_adv - x, x, eps)
    else:
        delta = x_adv - x
        length = l2_norm(delta)
        inside = x + delta * jnp.minimum(1, radius / jnp.where(length > 0, length, 1))
    return jnp.clip(inside, 0, 1)


def _project_l1(delta: Array, x: Array, eps: Array | float) -> Array:
    """Return the nearest point to delta with an L1 norm of at most eps and x + delta in [0, 1].

    The point is sign(delta) min(max(level - depth, 0), room), where depth is how far an entry is
    below the largest. The level is bracketed by bisection, after which the entries between bottom
    and room are known and it solves a linear equation. It is small where eps is, and so precise.
    """
    axes = tuple(range(1, delta.ndim))
    size = jnp.abs(delta)
    room = jnp.where(delta > 0, 1 - x, x)
    radius = jnp.broadcast_to(per_example(eps, x), (len(x), *[1] * len(axes)))
    largest = size.max(axes, keepdims=True)
    depth = largest - size

    def total(values: Array) -> Array:
        return values.sum(axes, keepdims=True)

    def fill(level: Array) -> Array:
        return jnp.clip(level - depth, 0, room)

    def halve(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        outside = total(fill(middle)) > radius
        return jnp.where(outside, low, middle), jnp.where(outside, middle, high)

    # The bracket only has to tell which entries lie between; the level is solved for below.
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(radius), largest))
    above = (low + high) / 2 - depth
    between = (above > 0) & (above < room)
    full = total(jnp.where(above >= room, room, 0))
    level = (radius - full + total(jnp.where(between, depth, 0))) / jnp.maximum(total(between), 1)
    # Where the box alone brings the norm below the radius, nothing else may move.
    inside = jnp.minimum(size, room)
    kept = jnp.where(total(inside) > radius, fill(jnp.clip(level, low, high)), inside)
    return jnp.sign(delta) * kept


def uniform_in_ball(keys: Array, shape: tuple[int, ...], eps: Array | float, norm: Norm) -> Array:
    """Draw one point per example, uniform in the ball (not on its surface), by keys (B,)."""

    def draw(key: Array) -> Array:
        if norm == "linf":
            return jax.random.uniform(key, shape, jnp.float32, minval=-1, maxval=1)
        direction_key, radius_key = jax.random.split(key)
        if norm == "l1":  # a uniform point of the simplex with one coordinate left out, and signs
            size = int(np.prod(shape)) + 1
            spacings = jax.random.exponential(direction_key, (size,), jnp.float32)
            point = spacings[:-1].reshape(shape) / spacings.sum()
            return point * jax.random.rademacher(radius_key, shape, jnp.float32)
        direction = jax.random.normal(direction_key, shape, jnp.float32)
        dimensions = max(direction.size, 1)
        radius = jax.random.uniform(radius_key, (), jnp.float32) ** (1 / dimensions)
        return direction / jnp.linalg.norm(direction.ravel()) * radius

    points = jax.vmap(draw)(keys)
    return points * per_example(eps, points)
