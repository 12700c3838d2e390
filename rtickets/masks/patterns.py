"""Sparsity patterns: which weights of a kernel live or die together.

Kernels come in their canonical view, see `rtickets.masks.layouts`: spatial axes first, then inputs,
then outputs; a dense kernel (I, O) has no spatial axes. Every pattern but n:m cuts a kernel into
equal blocks:

    element     one weight
    row         one line along the last spatial axis (kw of an HWIO kernel)
    kernel      all spatial axes: one 2-D kernel
    channel     everything that makes one output channel
    channel_linked  likewise, of all layers whose channels meet, as in a residual addition
    block:AxB   A inputs by B outputs, smaller at the edges
    N:M         of every M consecutive inputs the N with the largest scores live
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rtickets.errors import InputError
from rtickets.masks.arguments import check_text

GroupNorm = Literal["l1", "l2"]
PATTERN = r"element|row|kernel|channel|channel_linked|block:[1-9]\d*x[1-9]\d*|[1-9]\d*:[1-9]\d*"


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern.

    Attributes:
        name: 'element', 'row', 'kernel', 'channel', 'channel_linked', 'block' or 'n:m'.
        sizes: (A, B) of a block, (N, M) of n:m, else ().
    """

    name: str
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the text that `parse_pattern` reads."""
        if self.name == "n:m":
            return ":".join(map(str, self.sizes))
        return f"block:{self.sizes[0]}x{self.sizes[1]}" if self.name == "block" else self.name

    def block(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of a group along every axis of a kernel, of any rank from 1."""
        spatial = max(len(shape) - 2, 0)
        if self.name == "row" and spatial:
            return (1,) * (spatial - 1) + (shape[spatial - 1],) + (1,) * (len(shape) - spatial)
        if self.name == "kernel":
            return shape[:spatial] + (1,) * (len(shape) - spatial)
        if self.name in ("channel", "channel_linked"):
            return (*shape[:-1], 1)
        if self.name == "block" and len(shape) > 1:
            return (1,) * spatial + self.sizes
        return (1,) * len(shape)


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern such as 'row', 'block:4x4' or '2:4', see the head of this module."""
    check_text("pattern", text)
    if not re.fullmatch(PATTERN, text):
        raise InputError(
            f"pattern={text!r} is unknown; choose element, row, kernel, channel, "
            "channel_linked, block:AxB or N:M"
        )
    sizes = tuple(int(number) for number in re.findall(r"\d+", text))
    if ":" not in text:
        return Pattern(text)
    if text.startswith("block"):
        return Pattern("block", sizes)
    if sizes[0] >= sizes[1]:
        raise InputError(f"pattern={text!r} removes nothing; N:M needs N < M")
    return Pattern("n:m", sizes)


def group_scores(scores: np.ndarray, pattern: Pattern, norm: GroupNorm = "l1") -> np.ndarray:
    """Return one score per group of a kernel, for any pattern but n:m.

    Scores are averaged over the group, so that groups of different sizes can be ranked together;
    within a kernel the order is that of the sums.

    Args:
        scores: float array of a kernel's shape, not negative with 'l2'.
        norm: 'l1' is the mean, 'l2' the root of the mean square.

    Returns:
        float64 array with one axis per axis of the kernel; the scores themselves where every weight
        is a group.
    """
    block = pattern.block(scores.shape)
    if math.prod(block) == 1:
        return scores
    # Powers of two, which are exact, keep sums and squares in range.
    exponent = np.frexp(np.abs(scores).max(initial=0))[1]
    scaled = np.ldexp(scores.astype(np.float64), -exponent)
    powers = scaled**2 if norm == "l2" else scaled
    means = _block_sums(powers, block) / group_sizes(scores.shape, pattern)
    return np.ldexp(np.sqrt(means) if norm == "l2" else means, exponent)


def group_sizes(shape: tuple[int, ...], pattern: Pattern) -> np.ndarray:
    """Return the number of weights in every group of a kernel, in the shape of `group_scores`."""
    per_axis = [
        np.minimum(size, length - np.arange(0, length, size))
        for size, length in zip(pattern.block(shape), shape, strict=True)
    ]
    sizes = np.ones((), np.int64)
    for axis in per_axis:
        sizes = sizes[..., None] * axis
    return sizes


def expand(keep: Any, shape: tuple[int, ...], pattern: Pattern) -> Any:
    """Spread one value per group over the weights of a kernel, such as whether the group lives.

    It takes arrays of NumPy or JAX in the shape of `group_scores`, for any pattern but n:m.
    """
    for axis, size in enumerate(pattern.block(shape)):
        if size > 1:
            keep = keep.repeat(size, axis)
            keep = keep[(slice(None),) * axis + (slice(shape[axis]),)]  # an edge block is smaller
    return keep


def living_groups(keep: np.ndarray, pattern: Pattern) -> tuple[np.ndarray, int]:
    """Return which groups have a living weight, and how many of them have a dead one too."""
    shares = group_scores(keep.astype(np.float32), pattern)
    return shares > 0, int(((shares > 0) & (shares < 1)).sum())


def runs_of_inputs(values: np.ndarray, m: int) -> np.ndarray:
    """Return (..., I, O) with I a multiple of m as (runs of m consecutive inputs, m)."""
    *spatial, inputs, outputs = values.shape
    runs = values.reshape(*spatial, inputs // m, m, outputs)
    return np.moveaxis(runs, -2, -1).reshape(-1, m)


def keep_n_of_m(scores: np.ndarray, n: int, m: int) -> np.ndarray:
    """Mark the n largest of every m consecutive inputs of (..., I, O), ties by the lower index."""
    *spatial, inputs, outputs = scores.shape
    runs = scores.reshape(*spatial, inputs // m, m, outputs)
    order = np.argsort(-runs, axis=-2, kind="stable")
    keep = np.zeros(runs.shape, bool)
    np.put_along_axis(keep, order[..., :n, :], True, axis=-2)
    return keep.reshape(scores.shape)


def _block_sums(values: np.ndarray, block: tuple[int, ...]) -> np.ndarray:
    for axis, size in enumerate(block):
        if size > 1:
            values = np.add.reduceat(values, range(0, values.shape[axis], size), axis)
    return values
