"""Programs that JAX traced, walked operation by operation."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where operations keep what they call
_CALLING = {
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr", "checkpoint", "remat", "remat2", "custom_lin",
}  # fmt: skip


def follow(
    program: core.ClosedJaxpr,
    given: Sequence[Any],
    step: Callable[[Any, list[Any]], Sequence[Any]],
    constant: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Return what a program makes of what is given, which is forgotten after its last use.

    Args:
        program: what was traced, see `closed`.
        given: what stands for its arguments.
        step: (operation, what stands for its operands) -> what stands for its results.
        constant: returns what stands for an array of the program; None for the array itself.
    """
    jaxpr = program.jaxpr
    last = {v: n for n, e in enumerate(jaxpr.eqns) for v in e.invars if not _is_literal(v)}
    for variable in jaxpr.outvars:
        if not _is_literal(variable):
            last[variable] = len(jaxpr.eqns)
    consts = program.consts if constant is None else map(constant, program.consts)
    now = dict(zip(jaxpr.constvars, consts, strict=True))
    now |= dict(zip(jaxpr.invars, given, strict=True))

    def read(variable: Any) -> Any:
        if not _is_literal(variable):
            return now[variable]
        value = variable.val
        # floats of Python, too
        return value if constant is None else constant(np.asarray(value, variable.aval.dtype))

    for number, equation in enumerate(jaxpr.eqns):
        results = step(equation, [read(variable) for variable in equation.invars])
        now |= dict(zip(equation.outvars, results, strict=True))
        for variable in equation.invars:
            if not _is_literal(variable) and last[variable] == number:
                now.pop(variable, None)
    return [read(variable) for variable in jaxpr.outvars]


def carried_out(equation: Any, operands: Sequence[Any]) -> list[Any]:
    """Return the results of an operation of a program, where it was traced or eagerly."""
    with equation.ctx.manager:
        results = equation.primitive.bind(
            *operands, **equation.primitive.get_bind_params(equation.params)
        )
    return list(results) if equation.primitive.multiple_results else [results]


def called(equation: Any, count: int) -> core.ClosedJaxpr | None:
    """Return the program that an operation calls with so many operands; None of other ones."""
    if equation.primitive.name not in _CALLING:
        return None
    found = (each for each in inner_programs(equation) if len(each.jaxpr.invars) == count)
    return next(found, None)


def inner_programs(equation: Any) -> list[core.ClosedJaxpr]:
    """Return what an operation calls, such as the branches of a condition."""
    if equation.primitive.name == "cond":
        return list(equation.params["branches"])
    found = (equation.params.get(key) for key in _CALLS)
    return [closed(each) for each in found if each is not None]


def closed(program: Any) -> core.ClosedJaxpr:
    """Return a program with its constants, if it has some."""
    return core.ClosedJaxpr(program, ()) if isinstance(program, core.Jaxpr) else program


def parts_of(equation: Any) -> list[Any]:
    """Return all programs among the parameters of an operation, called or not."""
    parameters = jax.tree.leaves(tuple(equation.params.values()), is_leaf=is_program)
    return [each for each in parameters if is_program(each)]


def programs_in(program: Any) -> Iterator[core.ClosedJaxpr]:
    """Yield a program and all that are part of it, at any depth."""
    yield (program := closed(program))
    for equation in program.jaxpr.eqns:
        for part in parts_of(equation):
            yield from programs_in(part)


def operations_in(program: Any) -> Iterator[Any]:
    """Yield the operations of a program and of all that are part of it."""
    for each in programs_in(program):
        yield from each.jaxpr.eqns


def is_program(parameter: Any) -> bool:
    """Return whether a parameter of an operation is a program."""
    return isinstance(parameter, core.ClosedJaxpr | core.Jaxpr)


def _is_literal(variable: Any) -> bool:
    return isinstance(variable, core.Literal)
