"""The forward pass of a network, followed operation by operation."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rtickets import masks
from rtickets.platform.jaxprs import called, carried_out, follow
from rtickets.tickets.compaction import mixing, shapes
from rtickets.tickets.compaction.known import FIXED, Axis, Known, Origin, always, keep_axes, never
from rtickets.tickets.compaction.mixing import Mixing
from rtickets.tickets.compaction.units import Units

_AS_THEY_STAND = {"convert_element_type", "copy", "copy_p", "stop_gradient"}


class Traced(NamedTuple):
    """What was found in a forward pass.

    Attributes:
        units: all of them.
        axes: of every parameter and statistic, by its path in what was traced.
        mixings: every place where channels are mixed.
        uses: how often every parameter is used, by path.
    """

    units: Units
    axes: dict[str, tuple[Axis, ...]]
    mixings: list[Mixing]
    uses: Counter[str]


def trace(function: Callable[[Any, Any], Any], variables: Any, inputs: Any) -> Traced:
    """Follow a function of variables and inputs.

    Args:
        function: (variables, inputs) -> what is answered.
        variables: pytree of arrays; every axis of them gets units.
        inputs: pytree of arrays; what is found holds for all others of these shapes.
    """
    closed = jax.make_jaxpr(function)(variables, inputs)
    found = Traced(Units(), {}, [], Counter())
    leaves = []
    for path, leaf in masks.leaf_paths(variables).items():
        found.axes[path] = tuple(found.units.fresh(size) for size in leaf.shape)
        origin = Origin(path, tuple(range(leaf.ndim)))
        leaves.append(Known(jax.numpy.asarray(leaf), never(leaf.shape), found.axes[path], origin))
    for leaf in jax.tree.leaves(inputs):
        leaves.append(Known(jax.numpy.asarray(leaf), always(leaf.shape), (FIXED,) * leaf.ndim))
    for answer in _follow(found, closed, leaves):
        keep_axes(found.units, answer.axes)
    return found


def _follow(found: Traced, program: Any, given: Sequence[Known]) -> list[Known]:
    return follow(program, given, partial(_step, found), _constant)


def _constant(value: Any) -> Known:
    array = jax.numpy.asarray(value)
    return Known(array, never(array.shape), (FIXED,) * array.ndim)


def _step(found: Traced, equation: Any, operands: list[Known]) -> list[Known]:
    """Return what is known of the results of an operation."""
    name = equation.primitive.name
    if inner := called(equation, len(operands)):
        return _follow(found, inner, operands)
    if name == "cond" and not operands[0].varies.any():
        branch = equation.params["branches"][int(operands[0].value)]
        return _follow(found, branch, operands[1:])
    if name == "platform_index":  # the last is the one for every platform, which is the plainest
        return [_constant(np.int32(len(equation.params["platforms"]) - 1))]
    values = carried_out(equation, [each.value for each in operands])
    if name not in {"transpose", *_AS_THEY_STAND}:
        found.uses.update(each.origin.path for each in operands if each.origin)
    if name in mixing.RULES:
        seen = mixing.RULES[name](found.units, found.mixings.append, equation, operands, values[0])
        return [Known(values[0], *seen)]
    rule = shapes.RULES.get(name, shapes.unknown)
    known = [Known(value, *rule(found.units, equation, operands, value)) for value in values]
    return [each._replace(origin=_origin(name, equation, operands[0])) for each in known] if (
        operands
    ) else known  # fmt: skip


def _origin(name: str, equation: Any, operand: Known) -> Origin | None:
    if operand.origin is None or name not in {"transpose", *_AS_THEY_STAND}:
        return None
    path, axes = operand.origin
    order = equation.params["permutation"] if name == "transpose" else range(len(axes))
    return Origin(path, tuple(axes[i] for i in order))


def plainly(call: Any, args: Any, keywords: Any, context: Any) -> Any:
    """Let convolutions of flax be those of XLA, for `nn.intercept_methods`.

    What layers do for speed in their place hides which channels go where.
    """
    layer = context.module
    if isinstance(layer, nn.Conv) and layer.conv_general_dilated is not None:
        object.__setattr__(layer, "conv_general_dilated", None)
    return call(*args, **keywords)
