"""What a function computes, as part of what its compiled program is found by.

A program keeps what its function referred to when it was compiled: the weights and flags of an
object, arrays of a closure, names of a module. So the function alone does not tell which program
is its own: an object that has changed would go on with its old weights. `pinned` traces a function
anew, and takes what it would compile to as the name of the program. A function that has changed is
then another one, and one that has not shares what was compiled.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from rtickets.errors import InputError
from rtickets.platform.jaxprs import closed, is_program, operations_in, parts_of, programs_in

_JAX = Path(jax.__file__).parent
_COMPILED, _MAPPED = ("jit", "pjit"), ("shard_map", "xla_pmap")  # primitives
_BY_NAME = re.compile("custom_(jvp|vjp)_call")  # their rules are part of the gradient, or unused


class Pinned:
    """A function and what it computes, equal for the same function that computes the same.

    Attributes:
        function: the function.
        program: digest of what it computes; '' for one that is known never to change.
        jitted: whether parts of it are compiled by a `jax.jit` of its own, see `has_own_jit`.
        rounding: of the coarsest numbers in it, see `rounding_in`; None where that is not known.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        program: str = "",
        *,
        jitted: bool = False,
        rounding: float | None = None,
    ) -> None:
        """Take a function as one that computes what the digest says."""
        self.function, self.program = function, program
        self.jitted, self.rounding = jitted, rounding

    def __call__(self, *args: Any, **keywords: Any) -> Any:  # noqa: D102
        return self.function(*args, **keywords)

    def __hash__(self) -> int:
        return hash(self.program)  # a function may have none

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pinned) or self.program != other.program:
            return False
        methods = [getattr(each.function, "__func__", None) for each in (self, other)]
        if None in methods:
            return self.function is other.function
        return bool(self.function == other.function)  # bound methods are made anew at every access


def digest(function: Callable[..., Any], moving: Any, *fixed: Any) -> str:
    """Return a digest of what a function and its gradient compute; see `trace`, `digest_of`."""
    return digest_of(trace(function, moving, *fixed))


def trace(function: Callable[..., Any], moving: Any, *fixed: Any) -> core.ClosedJaxpr:
    """Return what a function and its gradient compute.

    Args:
        function: (moving, *fixed) -> pytree of arrays; what it raises when traced is raised here.
        moving: pytree of float arrays, or their shapes; the gradient is that with respect to them.
        *fixed: further pytrees of arrays or shapes. Their values are not part of the program; those
            of everything else that the function refers to are.

    Returns:
        The program.

    Raises:
        Exception: whatever the function raises when it is traced.
    """

    def with_gradient(moving: Any, *fixed: Any) -> Any:
        outputs, pull_back = jax.vjp(lambda moving: function(moving, *fixed), moving)
        return outputs, pull_back(jax.tree.map(jnp.ones_like, outputs))

    def alone(moving: Any, *fixed: Any) -> Any:  # JAX remembers the traces of a function
        return function(moving, *fixed)

    moving, fixed = jax.tree.map(shape_of, (moving, fixed))
    try:
        return jax.make_jaxpr(with_gradient)(moving, *fixed)
    except InputError:
        raise  # a function of flax.nnx that failed once would fail otherwise the second time
    except Exception:  # no gradient, as of a callback, or the function's own error
        return jax.make_jaxpr(alone)(moving, *fixed)


def digest_of(traced: core.ClosedJaxpr) -> str:
    """Return a digest of a program."""
    total = hashlib.sha256(str(traced).encode())
    for part in _beyond_text(traced):
        total.update(part)
    return total.hexdigest()


def shape_of(leaf: Any) -> Any:
    """Return the shape of an array without the devices that it lies on, which change no result."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    found = jax.typeof(leaf)
    return jax.ShapeDtypeStruct(found.shape, found.dtype, weak_type=found.weak_type)


def bytes_of(array: Any) -> bytes:
    """Return the contents of an array, which may be one of PRNG keys, for a digest."""
    if hasattr(array, "dtype") and jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    return np.ascontiguousarray(array).tobytes()


def _beyond_text(traced: Any) -> Iterator[bytes]:
    """Yield what the text of a program leaves out: values of constants, functions called back.

    In the order of the text: an attack that was begun is found again by the digest.
    """
    program = closed(traced)
    yield from map(bytes_of, program.consts)
    for equation in program.jaxpr.eqns:
        for operand in equation.invars:
            if isinstance(operand, core.Literal) and np.ndim(operand.val):
                yield np.ascontiguousarray(operand.val).tobytes()
        own = _BY_NAME.match(equation.primitive.name)
        for parameter in jax.tree.leaves(tuple(equation.params.values()), is_leaf=is_program):
            if is_program(parameter):
                yield from _beyond_text(parameter)
            elif callable(parameter) and not own:
                yield repr(parameter).encode()


def tracers_in(traced: Any) -> list[jax.core.Tracer]:
    """Return the constants of a program that an outer `jax.grad` or `jax.vmap` is tracing."""
    constants = (each for program in programs_in(traced) for each in program.consts)
    return [each for each in constants if isinstance(each, jax.core.Tracer)]


def rounding_in(traced: Any) -> float:
    """Return the relative rounding of the coarsest floating point numbers of a program."""
    results = (each.aval for equation in operations_in(traced) for each in equation.outvars)
    dtypes = {each.dtype for each in results if hasattr(each, "dtype")}
    floats = (each for each in dtypes if jnp.issubdtype(each, jnp.floating))
    return max((float(jnp.finfo(each).eps) for each in floats), default=0.0)


def has_own_jit(traced: Any) -> bool:
    """Return whether a program has parts that a `jax.jit` outside of JAX compiled.

    Such parts keep the weights and flags of objects from when they were first traced, and a new
    trace of the whole takes them over. True also where JAX does not tell whose function a part is.
    """
    for equation in operations_in(traced):
        name = equation.primitive.name
        if name in _MAPPED or (name in _COMPILED and not all(map(_is_of_jax, parts_of(equation)))):
            return True
    return False


def _is_of_jax(program: Any) -> bool:
    about = getattr(program, "jaxpr", program).debug_info
    path = getattr(about, "func_filename", None)
    return path is not None and Path(path).is_relative_to(_JAX)
