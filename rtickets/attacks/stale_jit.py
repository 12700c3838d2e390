"""Whether what jax compiled of a function is what Python would run now.

A function with a `jax.jit` of its own keeps the weights and flags of the objects that it closes
over from when it was first called, even where it is traced anew. Without any `jax.jit` it shows.
"""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array

from rtickets.attacks.identity import ALIKE, difference
from rtickets.attacks.inputs import in_trace, is_traced
from rtickets.attacks.search import LogitsFn, call_model, join_model, split_model
from rtickets.errors import InputError
from rtickets.platform.programs import Pinned

_IMAGES = 8
_FINE = 1e-6  # rounding of float32 and finer
_CLOSE = 1e-3  # relative difference: more than what such rounding adds up to in a deep network


def check_plain(logits_fn: LogitsFn, logits: Any, x: Any, key: Array, samples: int) -> None:
    """Compare as `why_not_plain` does, and warn where that cannot be done."""
    if why := why_not_plain(logits_fn, logits, x, key, samples):
        warnings.warn(why, stacklevel=3)


def why_not_plain(logits_fn: LogitsFn, logits: Any, x: Any, key: Array, samples: int) -> str:
    """Compare a compiled model's logits with those of the model without `jax.jit`: `why_unlike`.

    Only a model that has a `jax.jit` of its own is run for it; others are traced by every attack.
    `samples` are draws of a random model, 0 for one that takes no key.
    """
    function, arguments = split_model(logits_fn)
    if in_trace() or is_traced((logits_fn, x)):
        return ""
    if not isinstance(function, Pinned) or not function.jitted:
        return ""
    rounding, function = function.rounding, function.function

    def plain() -> np.ndarray:
        few = call_model(join_model(function, arguments), x[:_IMAGES], key[:_IMAGES], samples)
        return np.asarray(few.mean(0))

    return why_unlike("model", np.asarray(logits)[:_IMAGES], plain, rounding)


def why_unlike(
    what: str, compiled: np.ndarray, plain: Callable[[], np.ndarray], rounding: float | None = None
) -> str:
    """Compare what a compiled function with a `jax.jit` of its own gave with what it gives without.

    Args:
        what: the function is, in a word.
        compiled: what it gave, examples first.
        plain: computes the same, and is run without `jax.jit`.
        rounding: of the coarsest numbers in it, where that is known.

    Returns:
        Why that cannot be done, '' where the two are alike.

    Raises:
        InputError: if they differ by more than rounding; a function whose plain answers differ
            among themselves is random, which others find.
    """
    try:
        with jax.disable_jit():
            one, other = plain(), plain()
    except Exception as error:
        return (
            f"not checked: the {what} has a jax.jit of its own and does not run without "
            f"({type(error).__name__}: {str(error)[:200]}), so weights or flags that changed since "
            "it was compiled would not be seen; give the function without jax.jit"
        )
    apart, tolerance = difference(compiled, one), _tolerance(rounding)
    if difference(one, other) <= tolerance < apart:
        raise InputError(
            f"the {what} has a jax.jit of its own that answers otherwise than the function in it "
            f"does now (relative difference {apart:.2g}, shape {one.shape}): it keeps the weights "
            "or flags that it was compiled with; give the function without jax.jit, or weights as "
            "arguments of a jax.tree_util.Partial"
        )
    return ""


def _tolerance(rounding: float | None) -> float:
    """Return the relative difference that rounding may make."""
    # Accelerators may multiply float32 in fewer bits.
    fine = rounding is not None and rounding < _FINE and jax.default_backend() == "cpu"
    return _CLOSE if fine else ALIKE
