"""What `rtickets.attacks.honesty` measures of gradients: are they there, finite and right."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.honesty.attacks import evaluate_once
from rtickets.attacks.honesty.probes import Examined, logits_at, spread
from rtickets.attacks.projections import per_example

_ROOM = 0.03  # of every pixel up and down, where slopes are measured
_SHADE = 1 / 255  # moved at random within one, a model of 8-bit images is smooth on average
_CHANGES = (0.003, 0.03, 0.3)  # of the spread of the logits, that moves are made to cause
_FLAT = 1e-4  # of the spread: a change that rounding hides
_AGREES = 0.5  # how far a measured slope may be from the gradient's, relative to that


class ZeroGradients(NamedTuple):
    """Where input gradients are zero in every entry or not finite in some, each (B,).

    Attributes:
        cross_entropy: that of the cross-entropy is zero, in float32.
        bfloat16: the same, after rounding to bfloat16.
        float16: the same, after rounding to float16.
        margin: that of the margin is zero, in float32.
        broken: one of the two has entries that are not finite; zero above is then what is left.
    """

    cross_entropy: np.ndarray
    bfloat16: np.ndarray
    float16: np.ndarray
    margin: np.ndarray
    broken: np.ndarray


class Slopes(NamedTuple):
    """How the margin changes along directions, over what its gradient says; 1 or equal is right.

    Attributes:
        along: measured over predicted along the signs of the gradient, (changes, B).
        across: measured along random signs, over the length of the gradient, (changes, B).
        predicted: the same by the gradient, (B,).
        measurable: where the gradient is large enough to be told from rounding, bool (B,).
    """

    along: np.ndarray
    across: np.ndarray
    predicted: np.ndarray
    measurable: np.ndarray

    def agree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where slopes agree along the gradient, across it, and both at one size, (B,)."""
        along = np.abs(self.along - 1) <= _AGREES
        across = np.abs(self.across - self.predicted) <= _AGREES
        return along.any(0), across.any(0), (along & across).any(0)


def zero_gradients(subject: Examined) -> ZeroGradients:
    """Return where the gradients at the images themselves are zero or not finite."""
    found, of_margin = (
        evaluate_once(subject, subject.job.x, use_margin=use_margin) for use_margin in (False, True)
    )

    def is_zero(gradient: Array) -> np.ndarray:
        return np.asarray((gradient == 0).all(tuple(range(1, gradient.ndim))))

    slope = found.gradient
    low = slope.astype(jnp.bfloat16), slope.astype(jnp.float16)
    zero = [is_zero(each) for each in (slope, *low, of_margin.gradient)]
    return ZeroGradients._make((*zero, np.asarray(found.broken | of_margin.broken)))


def slopes(subject: Examined) -> Slopes:
    """Compare the gradient of the margin with differences of the logits of images nearby.

    An image moves both ways by the signs of its gradient, and by random signs, so far that the
    gradient says the margin changes by a small, a middle and a large part of the logits' spread. A
    smooth model agrees with its gradient at the small change; one of low precision, or one that
    rounds pixels and has the derivative 1 there, at a larger. What is zero, not finite, or so flat
    that rounding hides it, cannot be measured.
    """
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 3))(subject.job.key)
    shape = subject.job.x.shape[1:]

    def draw(key: Array) -> tuple[Array, Array]:
        first, second = jax.random.split(key)
        noise = jax.random.uniform(first, shape, jnp.float32, minval=-_SHADE / 2, maxval=_SHADE / 2)
        return noise, jax.random.rademacher(second, shape, jnp.float32)

    noise, signs = jax.vmap(draw)(keys)
    # Off the shades of 8 bits, where a model that rounds pixels has its jumps or its plateaus.
    x = jnp.clip(subject.job.x + noise, _ROOM, 1 - _ROOM)
    found = evaluate_once(subject, x, use_margin=True)
    gradient = found.gradient
    axes, unit = tuple(range(1, x.ndim)), spread(subject)
    exact = np.asarray(gradient, np.float64)  # squares of small entries vanish in float32
    total = np.abs(exact).sum(axes)
    length = np.sqrt((exact**2).sum(axes))
    measurable = (total * _ROOM > _FLAT * unit) & ~np.asarray(found.broken)
    total, length = (np.where(measurable, each, 1) for each in (total, length))

    def measure(direction: Array, scale: np.ndarray) -> np.ndarray:
        return np.stack([
            _slope(subject, x, direction, np.minimum(change * unit / scale, _ROOM)) / scale
            for change in _CHANGES
        ])  # fmt: skip

    # What the gradient itself says of the random direction, in units of its length.
    predicted = (exact * np.asarray(signs)).sum(axes) / length
    along, across = measure(jnp.sign(gradient), total), measure(signs, length)
    return Slopes(along, across, predicted, measurable)


def _slope(subject: Examined, x: Array, direction: Array, size: np.ndarray) -> np.ndarray:
    """Return the change of the margin by moves of a size (B,) both ways, per unit of it, (B,)."""
    move = per_example(jnp.asarray(size), x) * direction
    up, down = (_margin(subject, logits_at(subject, x + each)) for each in (move, -move))
    return (up - down) / (2 * size)


def _margin(subject: Examined, logits: np.ndarray) -> np.ndarray:
    """Return the lead of the best other class, float64 (B,)."""
    own = np.arange(logits.shape[1]) == np.asarray(subject.job.y)[:, None]
    return np.where(own, -np.inf, logits).max(1) - logits[own]
