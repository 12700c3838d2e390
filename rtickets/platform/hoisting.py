"""Compiled functions to which what they close over is data, not part of the program.

XLA knows the values of constants, and on CPU (jaxlib 0.10) it answers wrongly, at about every
second compilation, where the weights of a matrix product or convolution are constants of one value,
as the zeros of a dead layer are. The values of arguments are not known when a program is compiled.
They also lie in memory once, however many programs there are.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

from rtickets.platform.jaxprs import carried_out, follow
from rtickets.platform.programs import shape_of

_CALLING = ("jit", "pjit")
_PROGRAMS = 16  # that a function keeps


class _Program(NamedTuple):
    run: Callable[..., Any]
    constants: Any
    outputs: Any  # their tree


class Compiled:
    """`jax.jit` of a function of pytrees of arrays, which may close over arrays.

    So may a `jax.jit` that it calls. It is traced once for every structure and shapes of arguments,
    the last 16 of which are kept.

    Attributes:
        programs: what was compiled, by the kind of its arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Take a function, which is traced by calls."""
        self._function = function
        self.programs: dict[Any, _Program] = {}

    def __call__(self, *args: Any) -> Any:  # noqa: D102
        leaves, structure = jax.tree.flatten(args)
        inputs = tuple(map(shape_of, leaves))
        kind = structure, inputs
        if kind not in self.programs:
            bare = jax.tree.unflatten(structure, inputs)
            traced, shapes = jax.make_jaxpr(self._function, return_shape=True)(*bare)
            run, constants = _hoisted(traced)
            outputs = jax.tree.structure(shapes)
            if len(self.programs) == _PROGRAMS:
                self.programs.pop(next(iter(self.programs)))
            self.programs[kind] = _Program(jax.jit(run), jax.device_put(constants), outputs)
        program = self.programs[kind]
        return jax.tree.unflatten(program.outputs, program.run(program.constants, leaves))


def compiled(function: Callable[..., Any]) -> Compiled:
    """Return a compiled function to which what it closes over is data."""
    return Compiled(function)


def _hoisted(program: core.ClosedJaxpr) -> tuple[Callable[..., Any], Any]:
    """Return a program as a function of (constants, arguments), and its constants."""
    parts = {
        place: _hoisted(equation.params["jaxpr"])
        for place, equation in enumerate(program.jaxpr.eqns)
        if equation.primitive.name in _CALLING and _has_constants(equation.params["jaxpr"])
    }

    places = {id(program.jaxpr.eqns[place]): place for place in parts}

    def run(constants: Any, arguments: Sequence[Any]) -> list[Any]:
        own, inner = constants

        def step(equation: Any, operands: list[Any]) -> list[Any]:
            place = places.get(id(equation))
            if place is None:
                return carried_out(equation, operands)
            return parts[place][0](inner[place], operands)

        return follow(core.ClosedJaxpr(program.jaxpr, own), arguments, step)

    return run, (list(program.consts), {place: part[1] for place, part in parts.items()})


def _has_constants(program: core.ClosedJaxpr) -> bool:
    return bool(program.consts) or any(
        _has_constants(equation.params["jaxpr"])
        for equation in program.jaxpr.eqns
        if equation.primitive.name in _CALLING
    )
