"""Units: channels that can only be removed together, found by joining those that meet.

Every entry of every axis of a parameter begins as a unit of its own. Where two arrays are added,
say, the units along their axes become one, entry by entry.
"""

import numpy as np

Labels = np.ndarray
"""int64, of the length of an axis: the unit of every entry."""


class Units:
    """A growing number of units, some of them joined, some of them kept in any case."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._kept: set[int] = set()

    def fresh(self, count: int) -> Labels:
        """Return so many new units."""
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def roots(self, labels: Labels) -> Labels:
        """Return what stands for every unit and those that it is joined with."""
        return np.array([self._root(int(each)) for each in labels.ravel()], np.int64).reshape(
            labels.shape
        )

    def join(self, one: Labels, other: Labels) -> None:
        """Join units entry by entry."""
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            low, high = sorted((self._root(a), self._root(b)))
            self._parents[high] = low

    def keep(self, labels: Labels) -> None:
        """Keep units: something is done with them that is not understood, or they are answers."""
        self._kept.update(labels.ravel().tolist())

    def kept(self) -> set[int]:
        """Return the roots of those that are kept."""
        return {self._root(each) for each in self._kept}

    def _root(self, unit: int) -> int:
        parents = self._parents
        while parents[unit] != unit:
            parents[unit] = parents[parents[unit]]
            unit = parents[unit]
        return unit
