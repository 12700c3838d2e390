"""The shortest way from an image to a hyperplane without leaving [0, 1]."""

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks.projections import Norm

_NEWTON_STEPS = 20  # each divides the product of error and slope by at least 4
_BITS = 31  # of a float32 without its sign; their order is that of the floats


def move_to_hyperplane(x: Array, normal: Array, value: Array, norm: Norm) -> Array:
    """Return the smallest move after which a linear function of the image is zero.

    Every pixel moves towards zero of the function until it has no room left: all at the same speed
    for 'linf', at a speed proportional to the slope for 'l2', one after the other in the order of
    the slope for 'l1' (Croce & Hein 2020, minimally distorted adversarial examples, eq. 3). If the
    hyperplane is out of reach every pixel uses all its room.

    Args:
        normal: slope of the function, (B, ...); a zero slope gives no move.
        value: the function at x, (B,).

    Returns:
        float32 moves (B, ...); x plus the move is in [0, 1].
    """
    pixels = x.reshape(len(x), -1)
    slope = normal.astype(jnp.float32).reshape(pixels.shape)
    direction = -jnp.sign(slope) * jnp.sign(value)[:, None]
    largest = jnp.abs(slope).max(1, keepdims=True)
    slope = jnp.abs(slope) / jnp.where(largest > 0, largest, 1)  # squares do not underflow
    height = jnp.abs(value[:, None]) / jnp.where(largest > 0, largest, 1)
    room = jnp.where(direction > 0, 1 - pixels, pixels) * (slope > 0)
    if norm == "l1":
        lengths = _in_order(slope, room, height)
    else:
        lengths = _in_parallel(slope, slope if norm == "l2" else jnp.sign(slope), room, height)
    return (direction * lengths).reshape(x.shape)


def _in_parallel(slope: Array, speed: Array, room: Array, height: Array) -> Array:
    """Return min(time * speed, room) for the time at which its product with slope is height.

    That product is piecewise linear and concave in time, so Newton's method rises to the solution
    and reaches it once it knows which pixels have room left.
    """
    full = room / jnp.where(speed > 0, speed, 1)

    def later(_: int, time: Array) -> Array:
        moving = full > time
        rate = jnp.where(moving, slope * speed, 0).sum(1, keepdims=True)
        gained = jnp.where(moving, 0, slope * room).sum(1, keepdims=True)
        reached = (height - gained) / jnp.where(rate > 0, rate, 1)
        return jnp.where(rate > 0, jnp.maximum(time, reached), jnp.inf)

    time = jax.lax.fori_loop(0, _NEWTON_STEPS, later, jnp.zeros_like(height))
    return jnp.minimum(jnp.where(speed > 0, time, 0) * speed, room)


def _in_order(slope: Array, room: Array, height: Array) -> Array:
    """Use up the room of the steepest pixels; the last ones, of equal slope, share what is left.

    The slope of the last ones, the largest for which the pixels at least as steep reach the height,
    is found bit by bit.
    """
    order = jax.lax.bitcast_convert_type(slope, jnp.int32)
    gain = slope * room

    def refine(step: int, last: Array) -> Array:
        higher = last | (1 << (_BITS - 1 - step))
        reached = jnp.where(order >= higher, gain, 0).sum(1, keepdims=True) >= height
        return jnp.where(reached, higher, last)

    last = jax.lax.fori_loop(0, _BITS, refine, jnp.zeros_like(height, jnp.int32))
    left = height - jnp.where(order > last, gain, 0).sum(1, keepdims=True)
    tied = jnp.where(order == last, gain, 0).sum(1, keepdims=True)
    share = jnp.clip(left / jnp.where(tied > 0, tied, 1), 0, 1)
    return jnp.where(order > last, room, jnp.where(order == last, share * room, 0))
