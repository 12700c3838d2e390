"""Rules of operations that move entries about, and of those that compute entry by entry."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from rtickets.tickets.compaction.known import (
    FIXED,
    FREE,
    Axis,
    Kind,
    Known,
    always,
    keep_axes,
    meet,
    never,
    over_places,
)
from rtickets.tickets.compaction.units import Units

Found = tuple[np.ndarray, tuple[Axis, ...]]
"""(what varies, the axes) of what an operation returns."""
Rule = Callable[[Units, Any, Sequence[Known], Any], Found]
"""(units, equation, operands, value of the result) -> what is known of the result."""


def entrywise(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of what is computed entry by entry; operands without axes, or 1 long, are spread."""
    axes: list[Axis] = [FREE] * value.ndim
    varies = never(value.shape)
    for each in operands:
        varies = varies | each.varies if each.varies.any() else varies
        for place, axis in enumerate(each.axes if each.value.ndim == value.ndim else ()):
            if each.shape[place] == value.shape[place]:
                axes[place] = meet(units, axes[place], axis)
            else:
                keep_axes(units, [axis])
    return np.broadcast_to(varies, value.shape), tuple(axes)


def product(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of a product, which is 0 where a factor is 0 for all inputs."""
    one, other = operands
    _, axes = entrywise(units, equation, operands, value)
    if not (one.varies.any() or other.varies.any()):
        return never(value.shape), axes
    zeros = [~each.varies & (np.asarray(each.value) == 0) for each in operands]
    varies = (one.varies & ~zeros[1]) | (other.varies & ~zeros[0])
    return np.broadcast_to(varies, value.shape), axes


def unknown(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of what has none: everything that it is given is kept, and all varies if something does.

    This is what makes an operation that nobody thought of harmless.
    """
    for each in operands:
        keep_axes(units, each.axes)
    spread = always if any(each.varies.any() for each in operands) else never
    return spread(value.shape), (FIXED,) * value.ndim


def moved(equation: Any, operands: Sequence[Known], value: Any) -> np.ndarray:
    """Return what varies, of an operation that only moves entries about."""
    if not any(each.varies.any() for each in operands):
        return never(value.shape)
    flags = [each.varies for each in operands]
    if equation.primitive.name == "reshape":  # NumPy has nothing to compile
        return flags[0].reshape(value.shape)
    if equation.primitive.name == "transpose":
        return flags[0].transpose(equation.params["permutation"])
    return np.asarray(equation.primitive.bind(*map(jnp.asarray, flags), **equation.params))


def broadcast(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `broadcast_in_dim`."""
    (operand,) = operands
    axes: list[Axis] = [FREE] * value.ndim
    for source, target in enumerate(equation.params["broadcast_dimensions"]):
        if operand.shape[source] == value.shape[target]:
            axes[target] = operand.axes[source]
        else:  # one entry is spread
            keep_axes(units, [operand.axes[source]])
    shape = [1] * value.ndim
    for source, target in enumerate(equation.params["broadcast_dimensions"]):
        shape[target] = operand.shape[source]
    return np.broadcast_to(operand.varies.reshape(shape), value.shape), tuple(axes)


def transposed(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `transpose`."""
    order = equation.params["permutation"]
    return moved(equation, operands, value), tuple(operands[0].axes[axis] for axis in order)


def squeezed(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `squeeze`."""
    gone = {axis % operands[0].value.ndim for axis in equation.params["dimensions"]}
    keep_axes(units, [operands[0].axes[axis] for axis in gone])
    axes = tuple(axis for place, axis in enumerate(operands[0].axes) if place not in gone)
    return moved(equation, operands, value), axes


def turned(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `rev`."""
    axes = list(operands[0].axes)
    for place in equation.params["dimensions"]:
        axis = axes[place]
        axes[place] = axis if isinstance(axis, Kind) else axis[::-1]
    return moved(equation, operands, value), tuple(axes)


def cut(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `slice`: an axis of which a part is taken has numbers of its own, and is kept."""
    axes, cuts = list(operands[0].axes), []
    for place, (before, after) in enumerate(zip(operands[0].shape, value.shape, strict=True)):
        if before != after:
            cuts.append(place)
            keep_axes(units, [axes[place]])
            axes[place] = FREE if axes[place] is FREE else FIXED
    moving = operands[0]._replace(varies=over_places(operands[0], cuts))
    return moved(equation, [moving], value), tuple(axes)


def padded(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `pad`."""
    axes = list(operands[0].axes)
    for place, sizes in enumerate(equation.params["padding_config"]):
        if any(sizes):
            keep_axes(units, [axes[place]])
            axes[place] = FIXED
    return moved(equation, operands, value), tuple(axes)


def joined(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `concatenate`."""
    place = equation.params["dimension"]
    axes = list(operands[0].axes)
    for each in operands[1:]:
        axes = [
            axis if number == place else meet(units, axis, each.axes[number])
            for number, axis in enumerate(axes)
        ]
    parts = [each.axes[place] for each in operands]
    if all(isinstance(part, Kind) for part in parts):
        axes[place] = FIXED
        return moved(equation, operands, value), tuple(axes)
    lengths = [each.shape[place] for each in operands]
    labels = []
    for part, length in zip(parts, lengths, strict=True):
        if isinstance(part, Kind):  # has a length that stays
            part = units.fresh(length)
            units.keep(part)
        labels.append(part)
    axes[place] = np.concatenate(labels)
    return moved(equation, operands, value), tuple(axes)


def stacked(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `stack`, along an axis of its own."""
    axes = list(operands[0].axes)
    for each in operands[1:]:
        axes = [meet(units, *pair) for pair in zip(axes, each.axes, strict=True)]
    axes.insert(equation.params["axis"], FIXED)
    return moved(equation, operands, value), tuple(axes)


def reduced(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of sums, maxima and the like over whole axes; units that are summed over are kept."""
    (operand,) = operands
    gone = set(equation.params["axes"])
    keep_axes(units, [operand.axes[axis] for axis in gone])
    axes = tuple(axis for place, axis in enumerate(operand.axes) if place not in gone)
    return np.asarray(over_places(operand, [*gone]).any(tuple(gone))), axes


def reshaped(units: Units, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of `reshape`: axes that are merged or cut up take their units along where they can."""
    (operand,) = operands
    if equation.params.get("dimensions") is not None or not value.size:
        return unknown(units, equation, operands, value)
    if operand.shape == tuple(value.shape):
        return moved(equation, operands, value), operand.axes
    axes: list[Axis] = [FREE] * value.ndim
    for sources, targets in _factors(operand.shape, value.shape):
        found = _regrouped(units, operand, sources, [value.shape[t] for t in targets])
        for target, axis in zip(targets, found, strict=True):
            axes[target] = axis
    keep_axes(units, [operand.axes[i] for i, size in enumerate(operand.shape) if size == 1])
    return moved(equation, operands, value), tuple(axes)


def _factors(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return which axes longer than 1 become which, in groups as small as can be."""
    groups = []
    old = [i for i, size in enumerate(before) if size != 1]
    new = [j for j, size in enumerate(after) if size != 1]
    while old or new:
        sources, targets = [old.pop(0)], [new.pop(0)]
        while (a := prod(before[i] for i in sources)) != (b := prod(after[j] for j in targets)):
            (sources, targets)[a > b].append((old, new)[a > b].pop(0))
        groups.append((sources, targets))
    return groups


def _regrouped(units: Units, operand: Known, sources: list[int], lengths: list[int]) -> list[Axis]:
    """Return the axes that some adjacent axes of an array become, of these lengths."""
    axes = [operand.axes[i] for i in sources]
    sizes = [operand.shape[i] for i in sources]
    named = [place for place, axis in enumerate(axes) if not isinstance(axis, Kind)]
    if not named:
        free = all(axis is FREE for axis in axes)
        return [FREE if free else FIXED] * len(lengths)
    if len(named) == 1:
        axis = axes[named[0]]
        assert not isinstance(axis, Kind)
        shape = [1] * len(sizes)
        shape[named[0]] = -1
        labels = np.broadcast_to(axis.reshape(shape), sizes).reshape(lengths)
        if len(lengths) == 1:
            return [labels.ravel()]
        roots = units.roots(labels)
        for place in range(len(lengths)):
            first = tuple(slice(None) if k == place else slice(1) for k in range(len(lengths)))
            if (roots == roots[first]).all():
                return [labels[first].ravel() if k == place else FIXED for k in range(len(lengths))]
    keep_axes(units, axes)
    return [FIXED] * len(lengths)


_ENTRYWISE = (
    "abs", "add", "add_any", "and", "atan2", "cbrt", "ceil", "clamp", "convert_element_type",
    "copy", "copy_p", "cos", "cosh", "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2",
    "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic",
    "lt", "max", "min", "ne", "neg", "nextafter", "not", "or", "pow", "real", "reduce_precision",
    "rem", "round", "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "stop_gradient",
    "sub", "tan", "tanh", "xor",
)  # fmt: skip
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ENTRYWISE, entrywise),
    "mul": product,
    "broadcast_in_dim": broadcast,
    "transpose": transposed,
    "squeeze": squeezed,
    "rev": turned,
    "slice": cut,
    "pad": padded,
    "concatenate": joined,
    "stack": stacked,
    "reshape": reshaped,
    **dict.fromkeys(
        ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"),
        reduced,
    ),
}
