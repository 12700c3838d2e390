"""Multiplications of a forward pass, counted in what it computes, not estimated from layers."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from rtickets.platform.jaxprs import inner_programs
from rtickets.tickets.compaction.trace import plainly


def multiply_adds(function: Callable[[Any], Any], inputs: Any) -> int:
    """Return how many multiply-adds convolutions and products of matrices take.

    Loops count as often as they go round; of one that ends by what it computes, one round does.

    Args:
        function: of the inputs; nothing is computed.
        inputs: arrays or shapes, such as those of a single example.
    """
    with nn.intercept_methods(plainly):
        closed = jax.make_jaxpr(function)(inputs)
    return _count(closed.jaxpr)


def _count(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        shapes = [variable.aval.shape for variable in equation.invars]
        results = [variable.aval.shape for variable in equation.outvars]
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.params["dimension_numbers"].rhs_spec
            each = math.prod(shapes[1]) // shapes[1][kernel[0]]
            # Of a transposed convolution most of what is multiplied are zeros put between places.
            total += each * math.prod(results[0]) // math.prod(equation.params["lhs_dilation"])
        elif equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            total += math.prod(results[0]) * math.prod(shapes[0][axis] for axis in summed)
        elif equation.primitive.name == "scan":
            total += equation.params["length"] * _count(equation.params["jaxpr"].jaxpr)
        elif equation.primitive.name == "while":
            total += _count(equation.params["body_jaxpr"].jaxpr)
        else:
            inner = inner_programs(equation)
            # of branches the last is the one for every platform
            total += _count(inner[-1].jaxpr) if inner else 0
    return total
