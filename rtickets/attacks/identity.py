"""What tells one model from another: what it compiles to here, and what it computes anywhere."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from rtickets.attacks.search import LogitsFn, call_model, join_model, split_model
from rtickets.platform.hoisting import compiled
from rtickets.platform.programs import (
    Pinned,
    digest_of,
    has_own_jit,
    rounding_in,
    trace,
    tracers_in,
)

_IMAGES = 8
ALIKE = 0.05  # relative difference: more than rounding on other devices, less than other models


class Answers(NamedTuple):
    """What a model computes for a few images.

    Attributes:
        logits: float32 (K, classes).
        slopes: gradients of a random sum of every image's logits (K, ...), all 0 without gradients.
    """

    logits: np.ndarray
    slopes: np.ndarray


def pin(logits_fn: LogitsFn, x: Any, key: Array, samples: int) -> LogitsFn:
    """Return a model whose compiled programs are found by what it computes now.

    It is traced once, with its gradient, and not run; a model that is pinned already, or is being
    traced anyway, is returned itself. One that refers to what a `jax.grad` or `jax.vmap` around it
    traces has no values to be found by: it comes back as a `Partial` that shows what is traced.
    """
    function, arguments = split_model(logits_fn)
    leaves = jax.tree.leaves((logits_fn, x, key, jnp.add(0, 0)))  # the last is one inside a trace
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    if isinstance(function, Pinned) or traced:
        return logits_fn

    def logits(x: Array, key: Array, arguments: Any) -> Array:
        return call_model(join_model(function, arguments), x, key, min(samples, 1))

    shape = jax.ShapeDtypeStruct(x.shape, jnp.float32)
    program = trace(logits, shape, key, arguments)
    if traced_weights := tracers_in(program):
        return Partial(lambda _, *inputs: logits_fn(*inputs), traced_weights)
    pinned = Pinned(
        function, digest_of(program), jitted=has_own_jit(program), rounding=rounding_in(program)
    )
    if not isinstance(logits_fn, Partial):
        return pinned
    args, keywords = arguments
    return Partial(pinned, *args, **keywords)


def answers_of(logits_fn: LogitsFn, x: np.ndarray, key: Array, samples: int) -> Answers:
    """Return what a model computes for at most 8 of some float32 images (N, ...)."""
    function, arguments = split_model(logits_fn)
    some = np.unique(np.linspace(0, len(x) - 1, _IMAGES).astype(int))
    run = _compiled(function, samples)
    return Answers(*map(np.asarray, run(arguments, x[some], key[some])))


@lru_cache(maxsize=16)
def _compiled(function: Callable[..., Array], samples: int) -> Any:
    def answers(arguments: Any, x: Array, key: Array) -> tuple[Array, Array]:
        def logits(x: Array) -> Array:
            return call_model(join_model(function, arguments), x, key, samples).mean(0)

        try:
            found, pull_back = jax.vjp(logits, x)
            (slopes,) = pull_back(jax.random.normal(jax.random.key(0), found.shape, jnp.float32))
        except Exception:  # without a gradient, or the model's own error, which is raised here
            return logits(x), jnp.zeros_like(x)
        return found, slopes

    return compiled(answers)


def alike(one: Answers, other: Answers) -> bool:
    """Return whether two models may be the same, as far as rounding lets one tell."""
    return all(difference(a, b) <= ALIKE for a, b in zip(one, other, strict=True))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean over images of the relative difference, infinity for other shapes."""
    if a.shape != b.shape:
        return float("inf")
    flat = (np.nan_to_num(each.reshape(len(each), -1).astype(np.float64)) for each in (a, b))
    a, b = flat
    apart, size = (np.linalg.norm(each, axis=1) for each in (a - b, np.hstack([a, b])))
    return float((apart / np.where(size > 0, size, 1)).mean())
