"""Rules of operations that mix channels: products of matrices, convolutions; and of windows.

What is mixed is noted: which units go in, with what weights into which others, and what is known of
their values. This is all that a removal needs to know of a network.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from rtickets.tickets.compaction.known import (
    ALIKE,
    FIXED,
    Axis,
    Kind,
    Known,
    keep_axes,
    meet,
    never,
    over_places,
)
from rtickets.tickets.compaction.shapes import Found, unknown
from rtickets.tickets.compaction.units import Labels, Units

ZERO, CONSTANT, VARYING = range(3)


class Mixing(NamedTuple):
    """A place where channels are mixed: sums over the entries of an axis, times weights.

    Attributes:
        units: (n,) of the entries that are summed over.
        kinds: (n,) of what each is multiplied with: `ZERO`, `CONSTANT` (one value everywhere, which
            is not 0) or `VARYING`.
        values: (n,) the constants.
        present: bool (n, ...), whether a weight is not 0.
        outputs: the axes after the first of `present`.
        origin: (path of the parameter that the weights are, its axis that is summed over), or None.
    """

    units: Labels
    kinds: np.ndarray
    values: np.ndarray
    present: np.ndarray
    outputs: tuple[Axis, ...]
    origin: tuple[str, int] | None


Note = Callable[[Mixing], None]
MixingRule = Callable[[Units, Note, Any, Sequence[Known], Any], Found]


def product_of_matrices(
    units: Units, note: Note, equation: Any, operands: Sequence[Known], value: Any
) -> Found:
    """Rule of `dot_general`."""
    contracted, batched = equation.params["dimension_numbers"]
    one, other = operands
    axes: list[Axis] = [
        meet(units, one.axes[i], other.axes[j]) for i, j in zip(*batched, strict=True)
    ]
    free = [
        [a for a in range(each.value.ndim) if a not in {*contracted[k], *batched[k]}]
        for k, each in enumerate(operands)
    ]
    axes += [each.axes[a] for k, each in enumerate(operands) for a in free[k]]
    for i, j in zip(*contracted, strict=True):
        if isinstance(meet(units, one.axes[i], other.axes[j]), Kind):
            continue
        weights = _weights_of(operands)
        if weights is None or len(contracted[0]) > 1 or batched[0]:
            keep_axes(units, [one.axes[i], other.axes[j]])
            continue
        kernel, seen = operands[weights], operands[1 - weights]
        at, where = ((j, i), (i, j))[weights]
        present = np.moveaxis(_present(kernel), where, 0)
        outputs = tuple(axis for a, axis in enumerate(kernel.axes) if a != where)
        labels = seen.axes[at]
        if isinstance(labels, Kind):  # one value that was spread
            keep_axes(units, [kernel.axes[where]])
            continue
        note(_noted(labels, seen, at, present, outputs, kernel, where))
    taken = [
        each._replace(varies=over_places(each, along))
        for each, along in zip(operands, contracted, strict=True)
    ]
    return _mixed(equation, taken, value), tuple(axes)


def _weights_of(operands: Sequence[Known]) -> int | None:
    """Return which of two operands are the weights: parameters as they stand; None if unclear."""
    own = [k for k, each in enumerate(operands) if each.origin and not each.varies.any()]
    return own[0] if len(own) == 1 else None


def convolution(
    units: Units, note: Note, equation: Any, operands: Sequence[Known], value: Any
) -> Found:
    """Rule of `conv_general_dilated`; of groups, channels of one place in each go together."""
    params, (seen, kernel) = equation.params, operands
    names, groups = params["dimension_numbers"], params["feature_group_count"]
    if params["batch_group_count"] != 1:
        return unknown(units, equation, operands, value)
    (_, channel, *places), (out, inner, *taps) = names.lhs_spec, names.rhs_spec
    keep_axes(units, [seen.axes[a] for a in (names.lhs_spec[0], *places)])
    keep_axes(units, [kernel.axes[a] for a in taps])
    answers, entering = kernel.axes[out], seen.axes[channel]
    if groups == 1:
        if isinstance(entering, Kind):
            keep_axes(units, [kernel.axes[inner]])
        elif not isinstance(meet(units, entering, kernel.axes[inner]), Kind):
            present = _present(kernel).transpose(inner, out, *taps)
            present = np.asarray(present.any(tuple(range(2, present.ndim))))
            note(_noted(entering, seen, channel, present, (answers,), kernel, inner))
    else:
        _couple(units, note, groups, (seen, channel), (kernel, inner, out))
    axes: list[Axis] = [FIXED] * value.ndim
    axes[names.out_spec[1]] = answers
    return _convolved(equation, operands, value), tuple(axes)


def _couple(
    units: Units,
    note: Note,
    groups: int,
    entering: tuple[Known, int],
    weights: tuple[Known, int, int],
) -> None:
    """Join the units of a grouped convolution; the number of channels of a group is one for all.

    Where a group is one channel its outputs go with it, and nothing is mixed.
    """
    (seen, channel), (kernel, inner, out) = entering, weights
    inputs, answers = seen.axes[channel], kernel.axes[out]
    depth = kernel.shape[out] // groups
    if isinstance(inputs, Kind) or isinstance(answers, Kind):
        keep_axes(units, [inputs, answers, kernel.axes[inner]])
        return
    if kernel.shape[inner] == 1:
        keep_axes(units, [kernel.axes[inner]])
        for k in range(depth):
            units.join(inputs, answers.reshape(groups, depth)[:, k])
        return
    by_group, out_by_group = inputs.reshape(groups, -1), answers.reshape(groups, depth)
    for g in range(1, groups):
        units.join(by_group[0], by_group[g])
        units.join(out_by_group[0], out_by_group[g])
    within = meet(units, by_group[0], kernel.axes[inner])
    order = (inner, out, *(a for a in range(kernel.value.ndim) if a not in (inner, out)))
    present = _present(kernel).transpose(order)
    present = np.asarray(present.any(tuple(range(2, present.ndim))))
    if isinstance(within, Kind):
        return
    for g in range(groups):
        part = present[:, g * depth : (g + 1) * depth]
        found = _noted(inputs, seen, channel, np.ones((len(inputs), 1), bool), (), kernel, inner)
        mine = slice(g * len(by_group[0]), (g + 1) * len(by_group[0]))
        # a constant of one group is not that of another: it is not moved
        kinds = np.where(found.kinds[mine] == CONSTANT, VARYING, found.kinds[mine])
        note(Mixing(by_group[g], kinds, found.values[mine], part, (out_by_group[g],), None))


def _noted(
    labels: Labels, seen: Known, axis: int, present: np.ndarray, outputs: tuple[Axis, ...],
    kernel: Known, summed: int,
) -> Mixing:  # fmt: skip
    """Note a mixing, with what is known of the values along an axis of what goes in."""
    count = len(labels)
    values = np.moveaxis(np.asarray(seen.value, np.float64), axis, 0).reshape(count, -1)
    varies = np.moveaxis(np.broadcast_to(seen.varies, seen.shape), axis, 0).reshape(count, -1)
    low, high = values.min(1), values.max(1)
    size = np.maximum(abs(low), abs(high))
    alike = ~varies.any(1) & (high - low <= ALIKE * size)
    kinds = np.where(alike, np.where(size == 0, ZERO, CONSTANT), VARYING)
    origin = (kernel.origin.path, kernel.origin.axes[summed]) if kernel.origin else None
    return Mixing(labels, kinds, (low + high) / 2, present, outputs, origin)


def _present(operand: Known) -> np.ndarray:
    """Return which entries are not 0, or may be another for another input."""
    return np.asarray(operand.varies | (np.asarray(operand.value) != 0))


def _mixed(equation: Any, operands: Sequence[Known], value: Any) -> np.ndarray:
    """Return what varies of sums of products: where one varies, times what may not be 0."""
    if not any(each.varies.any() for each in operands):
        return never(value.shape)
    params = {**equation.params, "preferred_element_type": np.dtype(np.float32)}
    varying = [np.array(each.varies, np.float32) for each in operands]
    present = [_present(each).astype(np.float32) for each in operands]
    found = np.zeros(value.shape, bool)
    for k, each in enumerate(operands):
        if each.varies.any():
            pair = (varying[0], present[1]) if k == 0 else (present[0], varying[1])
            found |= np.asarray(equation.primitive.bind(*map(jnp.asarray, pair), **params)) > 0
    return found


def _convolved(equation: Any, operands: Sequence[Known], value: Any) -> np.ndarray:
    """Return what varies of a convolution, for images of this size and of any larger one.

    Where the kernel nowhere lies inside an image, as in one that is smaller than it, what it
    answers inside is not known. A channel varies everywhere then if a weight could see anything.
    """
    params, (seen, kernel) = equation.params, operands
    names = params["dimension_numbers"]
    sizes = [kernel.shape[a] for a in names.rhs_spec[2:]]
    reach = [
        (size - 1) * step + 1 for size, step in zip(sizes, params["rhs_dilation"], strict=True)
    ]
    sides = [
        (seen.shape[a] - 1) * step + 1
        for a, step in zip(names.lhs_spec[2:], params["lhs_dilation"], strict=True)
    ]
    counts = [value.shape[a] for a in names.out_spec[2:]]
    steps, pads = params["window_strides"], [low for low, _ in params["padding"]]
    if all(map(_reaches_inside, sides, reach, steps, pads, counts)):
        return _mixed(equation, operands, value)
    places, taps = names.lhs_spec[2:], names.rhs_spec[2:]
    any_place = _present(seen).any(places, keepdims=True)
    any_tap = _present(kernel).any(taps, keepdims=True)
    ones = (1,) * len(places)
    found = lax.conv_general_dilated(
        jnp.asarray(any_place, jnp.float32), jnp.asarray(any_tap, jnp.float32), ones, "VALID",
        dimension_numbers=names, feature_group_count=params["feature_group_count"],
    )  # fmt: skip
    return np.broadcast_to(np.asarray(found) > 0, value.shape)


def _reaches_inside(side: int, reach: int, step: int, pad: int, count: int) -> bool:
    """Return whether one of the places that a kernel is put to lies wholly inside an image."""
    return reach == 1 or any(0 <= place * step - pad <= side - reach for place in range(count))


def _has_whole(params: Any, operand: Known, value: Any) -> bool:
    """Return whether a window of a sum lies wholly inside an image along every axis."""
    reach = [
        (size - 1) * step + 1
        for size, step in zip(params["window_dimensions"], params["window_dilation"], strict=True)
    ]
    pads = [low for low, _ in params["padding"]]
    return all(
        map(_reaches_inside, operand.shape, reach, params["window_strides"], pads, value.shape)
    )


def window(units: Units, note: Note, equation: Any, operands: Sequence[Known], value: Any) -> Found:
    """Rule of maxima and sums over windows of places."""
    params, (operand,) = equation.params, operands
    names = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    axes = list(operand.axes)
    for place, axis in enumerate(axes):
        whole = all(params[name][place] == 1 for name in names)
        if not whole or any(params["padding"][place]):
            keep_axes(units, [axis])
            axes[place] = FIXED
    moves = over_places(
        operand, [n for n, size in enumerate(params["window_dimensions"]) if size > 1]
    )
    if equation.primitive.name == "reduce_window_sum" and not _has_whole(params, operand, value):
        moves = moves | _present(operand)
    if not moves.any():
        return never(value.shape), tuple(axes)
    varies = lax.reduce_window(
        jnp.asarray(moves, jnp.float32), 0.0, lax.max, params["window_dimensions"],
        params["window_strides"], params["padding"], params["base_dilation"],
        params["window_dilation"],
    )  # fmt: skip
    return np.asarray(varies) > 0, tuple(axes)


RULES: Mapping[str, MixingRule] = {
    "dot_general": product_of_matrices,
    "conv_general_dilated": convolution,
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), window),
}
