"""Whether what jax compiled of a model is what Python would run now.

A model with a `jax.jit` of its own keeps the weights and flags of the objects that it closes over
from when it was first called, even where attacks trace it anew. Without any `jax.jit` it shows.
"""

import functools
import inspect
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np
from jax import Array

from rtickets.attacks.identity import ALIKE, difference
from rtickets.attacks.inputs import in_trace, is_traced
from rtickets.attacks.search import LogitsFn, call_model, join_model, split_model
from rtickets.errors import InputError
from rtickets.platform.programs import Pinned

_IMAGES, _DEPTH = 8, 4
_JITTED = type(jax.jit(lambda: None))


def check_plain(logits_fn: LogitsFn, logits: Any, x: Any, key: Array, samples: int) -> None:
    """Compare the answers of a compiled model with those of the model without `jax.jit`.

    Only a model that has a `jax.jit` of its own is run for it; others are traced by every attack.

    Args:
        logits_fn: the model, as it was compiled.
        logits: what it answered, (B, classes).
        x: images (B, ...).
        key: keys (B,).
        samples: draws of a random model, 0 for one that takes no key.

    Raises:
        InputError: if they differ by more than rounding; a model whose plain answers differ among
            themselves is random, which others find.
    """
    function, arguments = split_model(logits_fn)
    if in_trace() or is_traced((logits_fn, x)):
        return
    if isinstance(function, Pinned):
        if not function.program:  # it never changes
            return
        function = function.function
    if not has_own_jit(function):
        return

    def plain() -> np.ndarray:
        few = call_model(join_model(function, arguments), x[:_IMAGES], key[:_IMAGES], samples)
        return np.asarray(few.mean(0))

    try:
        with jax.disable_jit():
            one, other = plain(), plain()
    except Exception:  # what runs only compiled cannot be compared
        return
    apart = difference(np.asarray(logits)[:_IMAGES], one)
    if difference(one, other) <= ALIKE < apart:
        raise InputError(
            f"the model has a jax.jit of its own that answers otherwise than the function in it "
            f"does now (relative difference {apart:.2g} on {len(one)} images): it keeps the "
            "weights or flags that it was compiled with; give the function without jax.jit, or "
            "weights as arguments of a jax.tree_util.Partial"
        )


def has_own_jit(function: Any) -> bool:
    """Return whether a function is, or refers to, one that `jax.jit` made outside of jax."""
    level, seen = [function], set()
    for _ in range(_DEPTH):
        if any(isinstance(each, _JITTED) for each in level):
            return True
        seen |= set(map(id, level))
        parts = {id(part): part for each in level for part in _parts(each)}
        level = [part for name, part in parts.items() if name not in seen]
    return False


def _parts(function: Any) -> Iterator[Any]:
    """Yield what a callable refers to and may call."""
    if isinstance(function, functools.partial):
        found = [function.func, *function.args, *function.keywords.values()]
    elif isinstance(function, MethodType):
        found = [function.__func__, function.__self__]
    elif isinstance(function, FunctionType):
        found = _referred(function)
    else:
        found = [*getattr(function, "__dict__", {}).values(), type(function).__call__]
    for each in found:
        of_jax = str(getattr(each, "__module__", "")).split(".")[0] == "jax"
        skipped = isinstance(each, ModuleType | type | BuiltinFunctionType)
        if callable(each) and not skipped and not of_jax:
            yield each


def _referred(function: FunctionType) -> list[Any]:
    try:
        names = inspect.getclosurevars(function)
    except ValueError:  # a variable that has no value yet
        return []
    return [*names.nonlocals.values(), *names.globals.values()]
