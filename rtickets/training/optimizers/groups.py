"""Groups of parameters, by regular expressions of their paths, with factors of their own.

Entries are texts 'REGEX=FACTOR' of a field, which messages name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax

from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.masks.paths import leaf_paths


def parse_factors(field: str, entries: Sequence[str]) -> dict[re.Pattern[str], float]:
    """Return the factors of entries by expression, in their order.

    Raises:
        InputError: for a text without '=', a bad expression or a factor that is negative or none.
    """
    factors = {}
    for entry in entries:
        expression, equals, text = entry.rpartition("=")
        try:
            compiled, factor = re.compile(expression), float(text)
        except (re.error, ValueError) as error:
            raise InputError(f"{field}: {entry!r}: {error}; write REGEX=FACTOR") from None
        if not equals or not 0 <= factor < float("inf"):
            raise InputError(f"{field}: {entry!r}: expected REGEX=FACTOR, factor >= 0")
        factors[compiled] = factor
    return factors


def factors_of(field: str, entries: Sequence[str], params: Params) -> Any:
    """Return the factor of every leaf, 1 where no expression matches its whole path.

    Raises:
        InputError: for an expression that matches no leaf. Callers ask in `update`, as optax's own
            tools call `init` with placeholders for parameters.
    """
    factors, paths = parse_factors(field, entries), list(leaf_paths(params))
    for expression in factors:
        if not any(expression.fullmatch(path) for path in paths):
            few = ", ".join(paths[:6]) + (", ..." if len(paths) > 6 else "")
            raise InputError(
                f"{field}: {expression.pattern!r} matches no trained parameter; they are {few}"
            )
    leaves = [_first(factors, path) for path in paths]
    return jax.tree.unflatten(jax.tree.structure(params), leaves)


def _first(factors: Mapping[re.Pattern[str], float], path: str) -> float:
    return next((f for expression, f in factors.items() if expression.fullmatch(path)), 1.0)


def add_decayed_weights(decay: float, entries: Sequence[str]) -> optax.GradientTransformation:
    """Return optax's transform of this name, with a factor for every group of parameters.

    Its state is that of optax's.
    """
    plain = optax.add_decayed_weights(decay)
    if not entries:
        return plain

    def update(updates: Params, state: Any, params: Any = None) -> tuple[Params, Any]:
        factors = factors_of("weight_decay_factors", entries, params)
        return jax.tree.map(lambda u, p, f: u + decay * f * p, updates, params, factors), state

    return optax.GradientTransformation(plain.init, update)


def scale_groups(field: str, entries: Sequence[str]) -> optax.GradientTransformation:
    """Return a transform, without state, that multiplies the updates of groups of parameters."""

    def update(updates: Params, state: Any, params: Any = None) -> tuple[Params, Any]:
        del params
        return jax.tree.map(lambda u, f: u * f, updates, factors_of(field, entries, updates)), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
