"""Products with weights that are one value repeated, written so that XLA keeps their answers.

On CPU (jaxlib 0.10) XLA answers wrongly, at about every second compilation, where the weights of a
matrix product or convolution are constants of one value, as the zeros of a layer that a mask has
removed are. Whoever runs an export compiles it with its weights as constants.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from rtickets.platform.hoisting import carried_out

_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where operations keep what they call
_CALLING = {"jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint"}
_PRODUCTS = {"dot_general", "conv_general_dilated"}


def without_repeated(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of an array that computes the same, by other products of such weights.

    Products with zeros are zeros; of other weights of one value they are the sum of two, with half
    of the weights each. What depends on constants alone is computed when it is traced.
    """

    def rewritten(x: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(x)
        answers = _follow(program, [x])
        return jax.tree.unflatten(jax.tree.structure(shapes), answers)

    return rewritten


def _follow(program: core.ClosedJaxpr, given: Sequence[Any]) -> list[Any]:
    jaxpr = program.jaxpr
    now = dict(zip(jaxpr.constvars, program.consts, strict=True))
    now |= dict(zip(jaxpr.invars, given, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else now[variable]

    for equation in jaxpr.eqns:
        operands = [*map(read, equation.invars)]
        now |= dict(zip(equation.outvars, _step(equation, operands), strict=True))
    return [*map(read, jaxpr.outvars)]


def _step(equation: Any, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name in _CALLING:
        inner = next(equation.params[key] for key in _CALLS if key in equation.params)
        if isinstance(inner, core.Jaxpr):
            inner = core.ClosedJaxpr(inner, ())
        if len(inner.jaxpr.invars) == len(operands):
            return _follow(inner, operands)
    shapes = [variable.aval.shape for variable in equation.outvars]
    fixed = all(isinstance(size, int) for shape in shapes for size in shape)
    # none have such as the platform that it will run on; how many examples there are is not known
    if operands and fixed and _known(operands):
        with jax.ensure_compile_time_eval():
            return carried_out(equation, operands)
    repeated = [n for n, each in enumerate(operands) if name in _PRODUCTS and _is_repeated(each)]
    if not repeated:
        return carried_out(equation, operands)
    (place,) = repeated  # the other is no constant
    weights = np.asarray(operands[place])
    result = equation.outvars[0].aval
    if not weights.any():
        return [jnp.zeros(result.shape, result.dtype)]
    first = np.arange(weights.size).reshape(weights.shape) < weights.size // 2
    parts = [np.where(half, weights, 0).astype(weights.dtype) for half in (first, ~first)]
    products = [
        carried_out(equation, [*operands[:place], part, *operands[place + 1 :]])[0]
        for part in parts
    ]
    return [products[0] + products[1]]


def _known(operands: Sequence[Any]) -> bool:
    return not any(isinstance(each, jax.core.Tracer) for each in operands)


def _is_repeated(array: Any) -> bool:
    if isinstance(array, jax.core.Tracer):
        return False
    values = np.asarray(array)
    return values.size > 0 and bool((values == values.flat[0]).all())
