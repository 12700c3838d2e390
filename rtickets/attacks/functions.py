"""The ensemble's attacks as functions of images; see the head of `rtickets.attacks`."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks.broken import warn_of_broken
from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.expectation import worst
from rtickets.attacks.identity import pin
from rtickets.attacks.inputs import (
    KeyLike,
    check_labels,
    clean_logits,
    read_inputs,
    restart_keys,
)
from rtickets.attacks.projections import Norm, check_norm
from rtickets.attacks.radii import check_radius
from rtickets.attacks.search import Job, LogitsFn, choose, run
from rtickets.attacks.stale_jit import check_plain


def targets_by_logit(logits: Array, y: Array) -> Array:
    """Return all classes but the label, int32 (B, classes - 1), the largest logit first."""
    others = jnp.where(jnp.arange(logits.shape[1]) == y[:, None], jnp.inf, -logits)
    return jnp.argsort(others, axis=1)[:, :-1].astype(jnp.int32)


def _attack(
    member: Member,
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    eps: Array | float,
    norm: Norm,
    unroll: bool | None,
) -> Array:
    """Run a search for every restart and target; return what fooled the model, else the first.

    Of a random model it is the worst result on the same draws, see `rtickets.attacks.expectation`.
    """
    check_norm(norm)
    logits_fn, x, y, keys = read_inputs(logits_fn, x, y, key, member.samples)
    check_radius(eps, norm, x.shape[1:], batch=len(x))
    member.check_shape(x.shape)
    logits_fn = pin(logits_fn, x, keys, member.samples)
    logits = clean_logits(logits_fn, x, keys, member.samples)
    check_labels(logits, y)
    check_plain(logits_fn, logits, x, keys, member.samples)
    radius = jnp.broadcast_to(jnp.asarray(eps, jnp.float32), y.shape)
    targets = targets_by_logit(logits, y)[:, : member.num_targets].T if member.targeted else [y]
    state: Any = None
    images: list[Array] = []  # of a random model, which is not fooled for good by any
    broken = jnp.zeros(y.shape, bool)
    search = member.search(norm, logits.shape[1])
    for restart in range(member.restarts):
        moved, again = restart_keys(keys, restart), jnp.full(y.shape, restart > 0)
        for target in targets:
            job = Job(x, y, target, moved, radius, random_start=again)
            found = run(search, logits_fn, job, unroll=unroll)
            images += [found.x_adv] if member.samples else []
            broken |= found.broken
            state = found if state is None else choose(found.fooled & ~state.fooled, found, state)
    warn_of_broken(broken)
    if member.samples:
        job = Job(x, y, y, keys, radius)
        return jax.lax.stop_gradient(worst(logits_fn, job, images, member.samples))
    return jax.lax.stop_gradient(state.x_adv)


def apgd_ce(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    norm: Norm = "linf",
    num_steps: int = 100,
    restarts: int = 1,
    samples: int = 0,
    unroll: bool | None = None,
) -> Array:
    """Run Auto-PGD on the cross-entropy (Croce & Hein 2020; for 'l1' Croce & Hein 2021).

    Args:
        num_steps: number of gradient steps.
        restarts: number of runs; the first result that fools the model is returned, per example.
        samples: draws of a random model. Restarts and targets are then compared on the same draws,
            and the worst is returned.
        unroll: see `rtickets.attacks.pgd`.
    """
    member = Member("apgd_ce", num_steps, restarts, samples=samples)
    return _attack(member, logits_fn, x, y, key, eps, norm, unroll)


def apgd_dlr(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    norm: Norm = "linf",
    num_steps: int = 100,
    restarts: int = 1,
    samples: int = 0,
    unroll: bool | None = None,
) -> Array:
    """Run Auto-PGD on the difference of logits ratio (Croce & Hein 2020, eq. 6), as `apgd_ce`.

    With two classes the margin stands in for the ratio, which needs three.
    """
    member = Member("apgd_dlr", num_steps, restarts, samples=samples)
    return _attack(member, logits_fn, x, y, key, eps, norm, unroll)


def apgd_t(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    norm: Norm = "linf",
    num_steps: int = 100,
    num_targets: int = 9,
    restarts: int = 1,
    samples: int = 0,
    unroll: bool | None = None,
) -> Array:
    """Run Auto-PGD on the targeted ratio, one likely class after the other (eq. 7 there).

    With fewer than four classes the targeted margin stands in for the ratio. It takes what
    `apgd_ce` takes, its restarts for every class, and `num_targets`: how many classes are aimed at,
    those with the largest clean logits first.
    """
    member = Member("apgd_t", num_steps, restarts, num_targets, samples)
    return _attack(member, logits_fn, x, y, key, eps, norm, unroll)


def fab_t(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    norm: Norm = "linf",
    num_steps: int = 100,
    num_targets: int = 9,
    restarts: int = 1,
    unroll: bool | None = None,
) -> Array:
    """Run FAB towards one likely class after the other (Croce & Hein 2020, minimally distorted).

    It takes what `apgd_t` takes, but no random models; all runs but the first start from random
    points.
    """
    member = Member("fab_t", num_steps, restarts, num_targets)
    return _attack(member, logits_fn, x, y, key, eps, norm, unroll)


def square(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    norm: Norm = "linf",
    num_queries: int = 5000,
    restarts: int = 1,
    unroll: bool | None = None,
) -> Array:
    """Run the Square attack, which needs no gradients (Andriushchenko et al. 2020).

    It takes images (B, H, W, C), no random models, and `num_queries` evaluations of the model.
    """
    member = Member("square", num_queries, restarts)
    return _attack(member, logits_fn, x, y, key, eps, norm, unroll)
