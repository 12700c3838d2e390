"""Inverting a representation: an image in which a network finds what it finds in another.

From a start the image is moved down the gradient of the distance between its features r(x) and
those of a target, r(t). The distance is relative, ||r(x) - r(t)|| / ||r(t)|| in L2 over all entries
of the level (Mahendran & Vedaldi 2015; of robust networks Engstrom et al. 2019, "Adversarial
robustness as a prior for learned representations"). A network for which an image that looks like
nothing is as good as the target looks at something else than people do.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial
from jax.typing import ArrayLike

from rtickets.attacks.projections import l2_norm, per_example, project, unit_direction
from rtickets.errors import InputError
from rtickets.platform import preemption
from rtickets.platform.hoisting import compiled

Update = Literal["normalized", "plain"]
Schedule = Literal["linear", "constant"]
_STEPS = 50  # in a dispatch, off the CPU


class Inverted(NamedTuple):
    """What an inversion found.

    Attributes:
        images: float32 (B, H, W, C) in [0, 1], of all that were visited the nearest.
        distances: their relative distance to the target's features, float32 (B,). Of a target
            whose features are all zero it is the distance itself.
        starts: that of where they started.
    """

    images: Array
    distances: Array
    starts: Array


class _State(NamedTuple):
    x: Array
    nearest: Array
    distances: Array


def invert(
    features_fn: Callable[[Array], Array],
    targets: ArrayLike,
    starts: ArrayLike,
    *,
    num_steps: int,
    step_size: float,
    eps: float | None = None,
    update: Update = "normalized",
    schedule: Schedule = "linear",
) -> Inverted:
    """Find images whose features are those of others.

    An image's result does not depend on the rest of its batch. Steps are dispatched one by one on
    CPU, where XLA runs convolutions in loops slowly, and in loops elsewhere.

    Args:
        features_fn: images to features (B, ...); a `jax.tree_util.Partial` shares compiled programs
            with others of the same function.
        targets: images whose features are looked for, (B, H, W, C) in [0, 1].
        starts: images to start from, likewise.
        num_steps: number of gradient steps.
        step_size: length of the first step: in L2 in pixel units if 'normalized', else the factor
            of the gradient of half the squared distance.
        eps: L2 radius around the start that is not left; None is free.
        update: 'normalized' steps have the same length whatever the gradient's; 'plain' ones are
            proportional to it.
        schedule: 'linear' shortens the steps towards zero; 'constant', as published, does not.

    Raises:
        InputError: for settings or shapes that mean nothing, before anything is computed.
        Preempted: if the process was asked to stop.
    """
    _check(num_steps, step_size, eps, update, schedule)
    targets, starts = jnp.asarray(targets, jnp.float32), jnp.asarray(starts, jnp.float32)
    if targets.shape != starts.shape:
        raise InputError(f"starts are {starts.shape}; expected {targets.shape} as the targets")
    if not isinstance(features_fn, Partial):
        # A new function each time: a program must not keep weights that its owner has changed.
        features_fn = Partial(partial(_call, features_fn))
    radius = jnp.float32(jnp.inf if eps is None else eps)
    wanted = compiled(_call)(features_fn, targets)
    sizes = np.full(num_steps, step_size, np.float32)
    if schedule == "linear":
        sizes *= 1 - np.arange(num_steps, dtype=np.float32) / max(num_steps, 1)
    infinite = jnp.full(len(targets), jnp.inf, jnp.float32)
    state = _State(starts, starts, infinite)
    advance = _advance_plain if update == "plain" else _advance_normalized
    each = 1 if jax.default_backend() == "cpu" else _STEPS
    for part in np.split(sizes, range(each, num_steps, each)) if num_steps else ():
        preemption.check()
        state = advance(features_fn, wanted, state, starts, radius, part)
    state = _seen(state, _distances(features_fn, wanted, state.x))
    return Inverted(state.nearest, state.distances, _distances(features_fn, wanted, starts))


def _check(num_steps: int, step_size: float, eps: float | None, update: str, schedule: str) -> None:
    for name, value, kinds in (
        ("update", update, get_args(Update)),
        ("schedule", schedule, get_args(Schedule)),
    ):
        if value not in kinds:
            raise InputError(f"{name}={value!r} is unknown; choose one of {', '.join(kinds)}")
    if num_steps < 0:
        raise InputError(f"num_steps={num_steps}; expected 0 or more")
    lengths = {"step_size": step_size, **({} if eps is None else {"eps": eps})}
    for name, length in lengths.items():
        if not 0 < length < np.inf:
            raise InputError(f"{name}={length}; expected a positive length in pixel units")


def _call(features_fn: Callable[[Array], Array], x: Array) -> Array:
    return features_fn(x).astype(jnp.float32)


def _half_squares(features_fn: Callable[[Array], Array], wanted: Array, x: Array) -> Array:
    """Return half the squared relative distances (B,), whose gradient at zero is zero."""

    def squares(features: Array) -> Array:
        return jnp.sum(features**2, tuple(range(1, features.ndim)))

    whole = squares(wanted)
    return squares(_call(features_fn, x) - wanted) / jnp.where(whole > 0, whole, 1) / 2


@compiled
def _distances(features_fn: Callable[[Array], Array], wanted: Array, x: Array) -> Array:
    return jnp.sqrt(2 * _half_squares(features_fn, wanted, x))


def _seen(state: _State, distances: Array) -> _State:
    """Return the state after its image was looked at."""
    nearer = distances < state.distances
    return state._replace(
        nearest=jnp.where(per_example(nearer, state.x) > 0, state.x, state.nearest),
        distances=jnp.where(nearer, distances, state.distances),
    )


def _advance(
    features_fn: Callable[[Array], Array],
    wanted: Array,
    state: _State,
    starts: Array,
    radius: Array,
    sizes: Array,
    *,
    plain: bool,
) -> _State:
    """Take a step of every size."""

    def loss(x: Array) -> tuple[Array, Array]:
        halves = _half_squares(features_fn, wanted, x)
        return halves.sum(), halves

    def step(state: _State, size: Array) -> _State:
        gradient, halves = jax.grad(loss, has_aux=True)(state.x)
        state = _seen(state, jnp.sqrt(2 * halves))
        move = gradient if plain else unit_direction(gradient, "l2")
        return state._replace(x=project(state.x - size * move, starts, radius, "l2"))

    if len(sizes) == 1:
        return step(state, sizes[0])
    return jax.lax.scan(lambda state, size: (step(state, size), None), state, sizes)[0]


_advance_plain = compiled(partial(_advance, plain=True))
_advance_normalized = compiled(partial(_advance, plain=False))


def grey_starts(keys: Array, shape: tuple[int, ...], deviation: float) -> Array:
    """Return grey images with Gaussian noise, by keys (B,): (B, *shape) in [0, 1]."""
    noise: Any = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
    return jnp.clip(0.5 + deviation * noise, 0, 1)


def root_mean_square(delta: Array) -> Array:
    """Return how large the entries of every example are, (B,)."""
    length = l2_norm(delta).reshape(len(delta))
    return length / float(np.prod(delta.shape[1:])) ** 0.5
