"""A ratio of two sums over examples, such as the share of all places that is right.

Its interval is the delta method's, from second moments of what each example counts, which add up
over batches, devices and hosts like the counts.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import ndtri

from rtickets.tasks.base import Measured
from rtickets.tasks.units import SHARE


def ratio_sums(top: Array, bottom: Array) -> Array:
    """Return what `share_of` needs of examples that count (B,) out of (B,), float32 (5,)."""
    top, bottom = top.astype(jnp.float32), bottom.astype(jnp.float32)
    return jnp.stack([top, bottom, top * top, top * bottom, bottom * bottom]).sum(1)


def share_of(sums: Any) -> Measured | None:
    """Return the sum of what counts over that of what it is out of; None where that is 0."""
    top, bottom, tops, both, bottoms = np.asarray(sums, np.float64).tolist()
    if not bottom:
        return None
    value = top / bottom
    squares = max(tops - 2 * value * both + value**2 * bottoms, 0.0)
    half = float(ndtri(0.975)) * squares**0.5 / bottom
    return Measured(value, max(0.0, value - half), min(1.0, value + half), SHARE)
