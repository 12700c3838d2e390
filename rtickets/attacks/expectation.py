"""Random models: what an image is worth over many draws, instead of one lucky one.

A random model that is evaluated often enough errs on any image near the boundary. So no single
evaluation decides about an image: a search runs to its end, its candidates are compared on the same
draws, and what is reported is measured on draws that nothing was chosen by.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks.inputs import in_trace, is_traced
from rtickets.attacks.losses import Loss, margin
from rtickets.attacks.search import (
    Evaluation,
    Job,
    LogitsFn,
    call_model,
    choose,
    evaluate,
    is_fooled,
    is_reached,
    join_model,
    repeat,
    split_model,
)
from rtickets.platform.hoisting import compiled

DRAWS = 100
"""Draws that candidates are compared on, and as many fresh ones that the result is measured on."""
SELECTION, REPORT = 2**29, 2**29 + 1  # folded into keys, far from counts of evaluations
_HUGE = 1e30  # stands for leads that are not finite


class Rating(NamedTuple):
    """How bad an image is for the model, on average over draws; greater is worse for the model.

    Attributes:
        success: share of draws in which the attack succeeds, (B,).
        lead: mean lead of the class that it wants over the one that it does not, (B,).
    """

    success: Array
    lead: Array


def is_worse(one: Rating, other: Rating) -> Any:
    """Return where one image is worse for the model than another, (B,)."""
    tie = one.success == other.success
    return (one.success > other.success) | (tie & (one.lead > other.lead))


def number_of_turns(samples: int) -> int:
    """Return how many evaluations of so many samples make at least `DRAWS`."""
    return -(-DRAWS // samples)


def rate_turn(
    logits_fn: LogitsFn, job: Job, x: Array, turn: Array | int, samples: int, *, reach: bool = False
) -> Rating:
    """Rate images on a few draws, which belong to the keys and the turn alone; means over them.

    Args:
        job: labels, targets and keys (B,).
        samples: draws of a turn.
        reach: succeed where the model answers the target, instead of wherever it errs.
    """
    keys = jax.vmap(lambda key: jax.random.fold_in(key, turn))(job.key)
    logits = call_model(logits_fn, x, keys, samples)
    if reach:
        success = jax.vmap(partial(is_reached, target=job.target))(logits)
        lead = -jax.vmap(margin, (0, None, None))(logits, job.target, job.target)
    else:
        success = jax.vmap(partial(is_fooled, y=job.y))(logits)
        lead = jax.vmap(margin, (0, None, None))(logits, job.y, job.y)
    return Rating(success.mean(0), jnp.nan_to_num(lead, nan=_HUGE).mean(0))


def rate(logits_fn: LogitsFn, job: Job, x: Array, samples: int, *, reach: bool = False) -> Rating:
    """Rate images on the draws that candidates are compared on; arguments as of `rate_turn`."""
    turns = number_of_turns(samples)
    job = job._replace(key=jax.vmap(lambda key: jax.random.fold_in(key, SELECTION))(job.key))
    total = Rating(*[jnp.zeros(job.y.shape, jnp.float32)] * 2)
    if in_trace() or is_traced((logits_fn, job, x)):

        def body(turn: Array | int, total: Rating) -> Rating:
            return _sum(total, rate_turn(logits_fn, job, x, turn, samples, reach=reach))

        total = repeat(body, turns, total)
    else:
        function, arguments = split_model(logits_fn)
        run = _compiled(function, samples, reach)
        for turn in range(turns):
            total = _sum(total, run(arguments, job, x, jnp.int32(turn)))
    return Rating(total.success / turns, total.lead / turns)


def _sum(one: Rating, other: Rating) -> Rating:
    return Rating(one.success + other.success, one.lead + other.lead)


@lru_cache(maxsize=16)
def _compiled(function: Callable[..., Array], samples: int, reach: bool) -> Any:
    def turn(arguments: Any, job: Job, x: Array, turn: Array) -> Rating:
        return rate_turn(join_model(function, arguments), job, x, turn, samples, reach=reach)

    return compiled(turn)


def worst(
    logits_fn: LogitsFn, job: Job, images: Sequence[Array], samples: int, *, reach: bool = False
) -> Array:
    """Return, per example, the worst of several images (B, ...) on the same draws."""
    found, *others = images
    if not others:
        return found
    best = rate(logits_fn, job, found, samples, reach=reach)
    for image in others:
        rating = rate(logits_fn, job, image, samples, reach=reach)
        worse = is_worse(rating, best)
        found, best = choose(worse, image, found), choose(worse, rating, best)
    return found


def evaluate_against(
    logits_fn: LogitsFn,
    loss: Loss,
    job: Job,
    x: Array,
    best: tuple[Array, Array],
    key: Array,
    samples: int,
    *,
    reach: bool = False,
) -> tuple[Evaluation, Array]:
    """Evaluate images, and for a random model the best ones so far on the same draws.

    A loss that was measured on other draws would keep the luckiest image, not the worst. For what
    is not named here see `evaluate`.

    Args:
        best: (images (B, ...), their losses (B,), -infinity before any).
        key: keys (B,) of this evaluation.

    Returns:
        (evaluation, in which a random model is never fooled; loss to beat (B,)).
    """
    found = evaluate(logits_fn, loss, job, x, key, samples, reach=reach)
    if not samples:
        return found, best[1]
    logits = call_model(logits_fn, best[0], key, samples)
    again = jax.vmap(loss, (0, None, None))(logits, job.y, job.target).mean(0)
    nobody = jnp.zeros_like(found.fooled)
    return found._replace(fooled=nobody), jnp.where(jnp.isneginf(best[1]), best[1], again)
