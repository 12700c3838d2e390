"""Radii, steps and noise in pixel units, and which of them are certainly mistakes.

Images lie in [0, 1], so a length such as 8, meant as 8 of 255 levels, changes every pixel at will:
an attack then leaves no accuracy, training learns nothing, and neither looks like an error.
Functions take the shape of one image, None where it is not known, which bounds 'linf' alone, and
the name that the caller has for the length.
"""

import math
from collections.abc import Sequence

_ROUNDING = 1e-6  # a square root in float32 may be this much too large
_LONGEST_STEP = 2.5  # in radii: what one step of the published rules takes
_LEVELS = 255


def cube_radius(norm: str, shape: Sequence[int] | None) -> float:
    """Return the largest distance of two images, the radius of a ball that holds all of them."""
    if norm == "linf":
        return 1.0
    if shape is None:
        return math.inf
    return math.prod(shape) ** 0.5 if norm == "l2" else float(math.prod(shape))


def why_not_radius(
    value: float, norm: str, shape: Sequence[int] | None = None, name: str = "eps"
) -> str | None:
    """Say why a radius is certainly a mistake, or None where it may be meant."""
    most = cube_radius(norm, shape)
    if value <= most * (1 + _ROUNDING):
        return None
    return (
        f"{name}={value:g} in {norm} is more than {most:g}, the largest distance of two images in "
        f"[0, 1]; {_write(value)}, or {most:g} to change every pixel at will"
    )


def why_not_step(
    value: float,
    eps: float,
    norm: str,
    shape: Sequence[int] | None = None,
    name: str = "step_size",
) -> str | None:
    """Say why the length of a step is certainly a mistake, or None where it may be meant.

    Published rules take at most 2.5 radii in a step.
    """
    most = max(cube_radius(norm, shape), _LONGEST_STEP * eps)
    if value <= most * (1 + _ROUNDING):
        return None
    return (
        f"{name}={value:g} in {norm} is more than {most:g}, the largest distance of two images in "
        f"[0, 1]; {_write(value)}"
    )


def why_not_noise(value: float, name: str = "sigma") -> str | None:
    """Say why a standard deviation is certainly a mistake, or None where it may be meant."""
    if value <= 1 + _ROUNDING:
        return None
    return f"{name}={value:g} is more than 1, the whole range of a pixel in [0, 1]; {_write(value)}"


def _write(value: float) -> str:
    return (
        f"lengths are in pixel units: write {value:g}/{_LEVELS} for {value:g} of {_LEVELS} levels"
    )
