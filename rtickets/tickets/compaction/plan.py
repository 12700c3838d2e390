"""What of a network stays, and where the constants of what goes are added.

A unit can go where nothing is mixed with it but zeros: its values are 0, its weights are, or what
they lead to goes. A unit that is the same everywhere, whatever the input, can go as well where
another such unit stays: what the constant contributes through its weights is then contributed by
that one, whose weights are increased in proportion. As both are the same beyond no border, this is
exact where a convolution pads, too.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import masks
from rtickets.tickets.compaction.known import Kind
from rtickets.tickets.compaction.mixing import CONSTANT, VARYING, Mixing
from rtickets.tickets.compaction.trace import Traced

_LARGE = 0.25  # of the largest constant that it stands for: what a unit must be to stand for it


class Move(NamedTuple):
    """Weights that are added to others.

    Attributes:
        path: of the parameter.
        axis: of it.
        source: index along the axis, of what goes.
        target: index along the axis, of what stays.
        factor: what the weights are multiplied with.
    """

    path: str
    axis: int
    source: int
    target: int
    factor: float


class Plan(NamedTuple):
    """What stays of a network.

    Attributes:
        staying: of every parameter and statistic, by its path in what was traced, the indices that
            stay along every axis; None for all.
        moves: what is added before.
    """

    staying: dict[str, tuple[np.ndarray | None, ...]]
    moves: tuple[Move, ...]


def make_plan(traced: Traced) -> Plan:
    """Return as small a network as is certain to answer the same."""
    flat = _Flat.of(traced)
    stays = flat.least()
    staying = {
        path: tuple(None if axis is None or stays[axis].all() else np.flatnonzero(stays[axis])
                    for axis in axes)
        for path, axes in flat.axes.items()
    }  # fmt: skip
    return Plan(staying, tuple(move for each in flat.mixings for move in _moves(each, stays)))


class _Flat(NamedTuple):
    """What was traced, units as consecutive numbers, joined ones as one.

    Attributes:
        axes: as of `Traced`, None where an axis has no units.
        mixings: as of `Traced`.
        kept: bool, by unit.
    """

    axes: dict[str, tuple[Any, ...]]
    mixings: list[Mixing]
    kept: np.ndarray

    @classmethod
    def of(cls, traced: Traced) -> "_Flat":
        roots: dict[int, int] = {}

        def number(axis: Any) -> Any:
            if isinstance(axis, Kind):
                return None
            found = traced.units.roots(axis).tolist()
            return np.array([roots.setdefault(each, len(roots)) for each in found], np.int64)

        axes = {path: tuple(map(number, each)) for path, each in traced.axes.items()}
        mixings = []
        for each in traced.mixings:
            origin = each.origin if each.origin and traced.uses[each.origin[0]] == 1 else None
            # constants are moved in weights that nothing else reads
            kinds = each.kinds if origin else np.where(each.kinds == CONSTANT, VARYING, each.kinds)
            outputs = tuple(map(number, each.outputs))
            mixings.append(
                each._replace(units=number(each.units), kinds=kinds, outputs=outputs, origin=origin)
            )
        for root in traced.units.kept():
            roots.setdefault(root, len(roots))
        kept = np.zeros(len(roots), bool)
        kept[[roots[root] for root in traced.units.kept()]] = True
        return cls(axes, mixings, kept)

    def least(self) -> np.ndarray:
        """Return which units stay: as few as can be."""
        stays = self.kept.copy()
        while True:
            before = int(stays.sum())
            for each in reversed(self.mixings):
                stays[each.units[(each.kinds == VARYING) & _leads(each, stays)]] = True
            if stays.sum() == before and not self._one_more(stays):
                return stays

    def _one_more(self, stays: np.ndarray) -> bool:
        """Let a unit stay where one is needed: for constants, or that an axis is not empty."""
        for each in self.mixings:
            standing, wanted = _constants(each, stays)
            if wanted.any():
                largest = np.abs(each.values[wanted]).max()
                if not (np.abs(each.values[standing]) >= _LARGE * largest).any():
                    stays[each.units[np.argmax(np.where(wanted, np.abs(each.values), 0))]] = True
                    return True
        for axes in self.axes.values():
            for axis in axes:
                if axis is not None and len(axis) and not stays[axis].any():
                    stays[axis[0]] = True
                    return True
        return False


def _leads(each: Mixing, stays: np.ndarray) -> np.ndarray:
    """Return which entries have a weight that leads to what stays."""
    present = each.present
    for place, axis in enumerate(each.outputs, 1):
        if axis is not None:
            present = np.compress(stays[np.asarray(axis)], present, place)
    return np.asarray(present.reshape(len(present), -1).any(1))


def _constants(each: Mixing, stays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which entries are constants that stay, and which are some that must be stood for."""
    constant = each.kinds == CONSTANT
    return constant & stays[each.units], constant & ~stays[each.units] & _leads(each, stays)


def _moves(each: Mixing, stays: np.ndarray) -> list[Move]:
    standing, wanted = _constants(each, stays)
    if not wanted.any():
        return []
    assert each.origin is not None
    path, axis = each.origin
    target = int(np.argmax(np.where(standing, np.abs(each.values), 0)))
    return [
        Move(path, axis, int(source), target, float(each.values[source] / each.values[target]))
        for source in np.flatnonzero(wanted)
    ]


def carry_out(plan: Plan, tree: Any, prefix: str, *, adding: bool = False) -> Any:
    """Return a tree of arrays of a network as what stays of it.

    Args:
        tree: of the structure of its parameters or statistics: they, a mask, gradients, momenta.
            Scalars stay as they are.
        prefix: what comes before the paths of the tree in what was traced, such as 'params/'.
        adding: carry out the moves: in weights; of a mask, where something is added lives.
    """
    leaves = {path: np.asarray(leaf) for path, leaf in masks.leaf_paths(tree).items()}
    if adding:
        leaves = _with_moves(plan, leaves, prefix)
    made = []
    for path, leaf in leaves.items():
        for axis, indices in enumerate(plan.staying[f"{prefix}{path}"] if leaf.ndim else ()):
            leaf = leaf if indices is None else leaf.take(indices, axis)
        made.append(leaf)
    return jax.tree.unflatten(jax.tree.structure(tree), made)


def _with_moves(plan: Plan, leaves: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return leaves with what is moved, summed up in float64."""
    exact: dict[str, np.ndarray] = {}
    for move in plan.moves:
        path = move.path.removeprefix(prefix)
        if move.path == path or not leaves[path].ndim:
            continue
        old = leaves[path]
        new = exact.setdefault(path, old.copy() if old.dtype == bool else old.astype(np.float64))
        target, source = (
            (slice(None),) * move.axis + (index,) for index in (move.target, move.source)
        )
        if old.dtype == bool:
            new[target] |= old[source]
        else:
            new[target] += move.factor * old[source].astype(np.float64)
    return {path: exact.get(path, leaf).astype(leaf.dtype) for path, leaf in leaves.items()}
