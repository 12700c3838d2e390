"""A ratio of two sums over examples, such as the share of all places that is right.

Its interval is the delta method's, from second moments of what each example counts, which add up
over batches, devices and hosts like the counts. Where all examples have the same ratio it is
Wilson's, of as many examples of one size as know as much: (sum of sizes)^2 / (sum of their squares)
(Kish 1965).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtri

from rtickets.tasks.accuracy import within
from rtickets.tasks.base import Measured

ROUNDING = 1e-5
"""Part of float32 sums of squares that their differences are of rounding alone."""


def ratio_sums(top: Array, bottom: Array) -> Array:
    """Return what `share_of` needs of examples that count (B,) out of (B,), float32 (5,)."""
    top, bottom = top.astype(jnp.float32), bottom.astype(jnp.float32)
    return jnp.stack([top, bottom, top * top, top * bottom, bottom * bottom]).sum(1)


def share_of(sums: Any) -> Measured | None:
    """Return the sum of what counts over that of what it is out of; None where that is 0."""
    found = _ratio(sums)
    return None if found is None else within(*found)


def mean_of(sums: Any) -> Measured | None:
    """Return the same of what is no share, such as losses, with the interval of its error alone."""
    found = _ratio(sums)
    if found is None:
        return None
    value, error, _ = found
    half = float(ndtri(0.975)) * error
    return Measured(value, value - half, value + half, higher_is_better=None)


def _ratio(sums: Any) -> tuple[float, float, float] | None:
    """Return the ratio, its standard error, and as many examples of one size as know as much."""
    top, bottom, tops, both, bottoms = np.asarray(sums, np.float64).tolist()
    if not bottom:
        return None
    value = top / bottom
    squares = max(tops - 2 * value * both + value**2 * bottoms, 0.0)
    if squares <= ROUNDING * (tops + value**2 * bottoms):
        squares = 0.0
    return value, squares**0.5 / bottom, bottom**2 / bottoms
