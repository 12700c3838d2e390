"""What is known of an array of a forward pass, whatever the inputs are.

Every axis is one of three kinds: `FIXED`, whose length no removal changes (examples, places, pixel
channels); `FREE`, along which a single value was spread, so that it has any length that is asked
for; or the units of its entries, an array of labels.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from rtickets.tickets.compaction.units import Labels, Units


class Kind(Enum):
    """Of an axis without units."""

    FIXED = "fixed"
    FREE = "free"


ALIKE = 1e-6  # relative: how far values of one constant may be apart by rounding
FIXED, FREE = Kind.FIXED, Kind.FREE
Axis = Kind | Labels


class Origin(NamedTuple):
    """The parameter that an array is.

    Attributes:
        path: of the parameter.
        axes: the axis of the parameter that every axis of the array is.
    """

    path: str
    axes: tuple[int, ...]


class Known(NamedTuple):
    """An array of the forward pass.

    Attributes:
        value: for some inputs.
        varies: bool, whether an entry may be another for other inputs.
        axes: one an axis.
        origin: the parameter that it is, if it is one as it stands.
    """

    value: Any
    varies: np.ndarray
    axes: tuple[Axis, ...]
    origin: Origin | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.value.shape)


def never(shape: Sequence[int]) -> np.ndarray:
    """Return that nothing varies, without memory."""
    return np.broadcast_to(np.False_, tuple(shape))


def always(shape: Sequence[int]) -> np.ndarray:
    """Return that everything varies, likewise."""
    return np.broadcast_to(np.True_, tuple(shape))


def over_places(operand: Known, axes: Sequence[int]) -> np.ndarray:
    """Return what varies of an array where entries along some of its axes are taken together.

    What a channel is at the border of an image it need not be inside. So a mean of its places, say,
    is another in an image of another size although no pixel counts in it: it varies.
    """
    places = tuple(axis for axis in axes if operand.axes[axis] is FIXED and operand.shape[axis] > 1)
    if not places or all(isinstance(axis, Kind) for axis in operand.axes):  # or no channels
        return operand.varies
    values = np.asarray(operand.value)
    low, high = values.min(places, keepdims=True), values.max(places, keepdims=True)
    # as far apart as rounding lets one constant be; NaNs are apart
    low, high = low.astype(np.float64), high.astype(np.float64)
    with np.errstate(invalid="ignore"):
        alike = (low == high) | (high - low <= ALIKE * np.maximum(abs(low), abs(high)))
    return np.asarray(operand.varies | ~alike)


def meet(units: Units, one: Axis, other: Axis) -> Axis:
    """Return the axis of what is computed entry by entry from two arrays of one length there."""
    if isinstance(one, Kind) and isinstance(other, Kind):
        return FREE if one is other is FREE else FIXED
    if isinstance(one, Kind):
        one, other = other, one
    assert not isinstance(one, Kind)
    if isinstance(other, Kind):
        if other is FREE:
            return one
        units.keep(one)
        return FIXED
    units.join(one, other)
    return one


def keep_axes(units: Units, axes: Sequence[Axis]) -> None:
    """Keep all units of some axes."""
    for axis in axes:
        if not isinstance(axis, Kind):
            units.keep(axis)
