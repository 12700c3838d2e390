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

from rtickets.platform.jaxprs import called, carried_out, follow

_PRODUCTS = {"dot_general", "conv_general_dilated"}


def without_repeated(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of an array that computes the same, by other products of such weights.

    Products with zeros are zeros; of other weights of one value they are the sum of two, with half
    of the weights each. What depends on constants alone is computed when it is traced.
    """

    def rewritten(x: Any) -> Any:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(x)
        answers = follow(program, [x], _step)
        return jax.tree.unflatten(jax.tree.structure(shapes), answers)

    return rewritten


def _step(equation: Any, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if inner := called(equation, len(operands)):
        return follow(inner, operands, _step)
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
