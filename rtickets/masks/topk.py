"""The largest of many values, exactly as many as a budget allows; ties go to the lower index.

`top_k` does it once, on the host, in linear time by `np.partition`.
`keep_largest` and `keep_in_rankings` are for scores that change with every step, and do it on the
device and without sorting: the smallest value that is kept is found digit by digit of its binary
representation.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_SIGN_BIT = np.uint32(1 << 31)


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Mark exactly k of a flat array of scores of the host, in [0, n], the largest."""
    if k <= 0 or k >= scores.size:
        return np.full(scores.shape, k > 0)
    threshold = np.partition(scores, scores.size - k)[scores.size - k]
    keep = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    keep[ties[: k - int(keep.sum())]] = True
    return keep


def keep_largest(
    values: Sequence[Array], sizes: Sequence[np.ndarray | int], budget: int, bits: int | None = None
) -> list[Array]:
    """Mark the largest of all values, as many as fit into a budget.

    Args:
        values: float32 arrays, ranked together.
        sizes: what each value costs, an array of the value's shape or a number for all of it.
        budget: the largest total cost.
        bits: digits fixed at a time; None is 1 on CPU, where memory is slow, and 4 elsewhere, where
            starting a kernel is.

    Returns:
        bool arrays of the values' shapes; where all costs are 1, exactly `budget` entries are True.
    """
    return keep_in_rankings(values, sizes, [list(range(len(values)))], [budget], bits)


def keep_in_rankings(
    values: Sequence[Array],
    sizes: Sequence[np.ndarray | int],
    rankings: Sequence[Sequence[int]],
    budgets: Sequence[int],
    bits: int | None = None,
) -> list[Array]:
    """Do `keep_largest` in several rankings at once.

    Args:
        rankings: which of the arrays are ranked together, by their indices.
        budgets: the largest total cost of each ranking.
    """
    if bits is None:
        bits = 1 if jax.default_backend() == "cpu" else 4
    codes = [_ordered(value).reshape(-1) for value in values]
    costs = [
        jnp.broadcast_to(jnp.asarray(size, jnp.int32), value.shape).reshape(-1)
        for size, value in zip(sizes, values, strict=True)
    ]
    digits = jnp.arange(1, 2**bits, dtype=jnp.uint32)[:, None]

    def total(ranking: Sequence[int], levels: Array) -> Array:
        """Return the cost of everything at or above each of some levels (L, 1), (L,)."""
        parts = [jnp.where(codes[i] >= levels, costs[i], 0).sum(1) for i in ranking]
        return sum(parts[1:], start=parts[0])

    def fix(index: Array, levels: list[Array]) -> list[Array]:
        shift = (32 - bits * (index + 1)).astype(jnp.uint32)
        # The digit is the largest at which the budget still lies at or above the level.
        enough = [
            total(ranking, level + (digits << shift)) >= budget
            for ranking, level, budget in zip(rankings, levels, budgets, strict=True)
        ]
        fixed = [each.sum(dtype=jnp.uint32) << shift for each in enough]
        return [level + digit for level, digit in zip(levels, fixed, strict=True)]

    # The level of the budget is found exactly, digit by digit, without sorting all weights.
    levels = jax.lax.fori_loop(0, 32 // bits, fix, [jnp.uint32(0)] * len(rankings))
    level_of = {i: level for ranking, level in zip(rankings, levels, strict=True) for i in ranking}
    # All above the level lives; those at it share what is left, the lower index first.
    above = [code > level_of[i] for i, code in enumerate(codes)]
    tied = [jnp.where(code == level_of[i], costs[i], 0) for i, code in enumerate(codes)]
    left = [
        jnp.maximum(budget - sum(jnp.where(above[i], costs[i], 0).sum() for i in ranking), 0)
        for ranking, budget in zip(rankings, budgets, strict=True)
    ]
    filled = _fill(tied, left, rankings)
    return [
        (more | chosen).reshape(value.shape)
        for more, chosen, value in zip(above, filled, values, strict=True)
    ]


def _fill(tied: list[Array], left: list[Array], rankings: Sequence[Sequence[int]]) -> list[Array]:
    """Choose of the tied values of each ranking the first that fit; `tied` holds their costs."""

    def first(tied: list[Array], left: list[Array]) -> list[Array]:
        chosen = {}
        for ranking, room in zip(rankings, left, strict=True):
            for i in ranking:
                chosen[i] = (tied[i] > 0) & (jnp.cumsum(tied[i]) <= room)
                room = room - jnp.where(chosen[i], tied[i], 0).sum()
        return [chosen[i] for i in range(len(tied))]

    def every(tied: list[Array], left: list[Array]) -> list[Array]:
        return [cost > 0 for cost in tied]

    fits = [
        sum(tied[i].sum() for i in ranking) <= room
        for ranking, room in zip(rankings, left, strict=True)
    ]
    # sums over prefixes are slow, and ties that do not fit are rare once scores have been trained
    return jax.lax.cond(jnp.stack(fits).all(), every, first, tied, left)


def _ordered(values: Array) -> Array:
    """Return unsigned integers in the order of float32 values; both zeros are alike.

    In integers throughout: arithmetic on floats treats zeros and denormals as the compiler likes.
    """
    bits = jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.uint32)
    bits = jnp.where(bits == _SIGN_BIT, 0, bits)
    return jnp.where(bits >= _SIGN_BIT, ~bits, bits | _SIGN_BIT)
