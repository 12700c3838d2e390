"""The short attacks of `rtickets.attacks.honesty`, which share one compiled step.

Radius, step size and loss are data.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.expectation import DRAWS, rate
from rtickets.attacks.honesty.probes import Examined
from rtickets.attacks.losses import cross_entropy, margin
from rtickets.attacks.projections import Norm, climb
from rtickets.attacks.search import (
    Evaluation,
    Job,
    evaluate,
    join_model,
    run,
    split_model,
)
from rtickets.attacks.square import Square
from rtickets.platform.hoisting import compiled

_SURE = 0.5 + 2 * 0.5 / DRAWS**0.5  # two standard errors over one half


def fooled_by_pgd(
    subject: Examined, eps: float, num_steps: int, *, use_margin: bool = False
) -> np.ndarray:
    """Attack with PGD on the cross-entropy, or on the margin, from the images themselves.

    Without a random start, one step is optimal on a linear model and more steps lose nothing. The
    radius `eps` takes the place of the subject's; steps have 2.5 eps / num_steps, but at most eps.

    Returns:
        bool (B,), whether any image on the way is misclassified.
    """
    return np.asarray(_attacked(subject, eps, num_steps, use_margin=use_margin)[1])


def _attacked(
    subject: Examined, eps: float, num_steps: int, *, use_margin: bool
) -> tuple[Array, Array]:
    """Return the last images and whether any on the way was misclassified."""
    radius = jnp.full(subject.job.y.shape, eps, jnp.float32)
    job, step_size = subject.job._replace(eps=radius), radius * min(1, 2.5 / num_steps)
    x, fooled = job.x, jnp.zeros(job.y.shape, bool)
    for _ in range(num_steps + 1):
        x, found = _step(subject, job, x, fooled, step_size, use_margin=use_margin)
        fooled = found.fooled
        if fooled.all():
            break
    return x, fooled


def fooled_for_sure(subject: Examined, eps: float, num_steps: int) -> np.ndarray:
    """Attack with PGD on the cross-entropy and on the margin, as `fooled_by_pgd` does.

    Returns:
        bool (B,), whether any image on the way is misclassified; against a random model, whether
        the last one is in so many of `DRAWS` fresh draws that more than half of all will be.
    """
    if not subject.samples:
        by = (fooled_by_pgd(subject, eps, num_steps, use_margin=each) for each in (False, True))
        return np.logical_or(*by)
    fresh = jax.vmap(lambda key: jax.random.fold_in(key, 4))(subject.job.key)
    fooled = np.zeros(len(subject.clean), bool)
    for use_margin in (False, True):
        x = _attacked(subject, eps, num_steps, use_margin=use_margin)[0]
        rating = rate(subject.logits_fn, subject.job._replace(key=fresh), x, subject.samples)
        fooled |= np.asarray(rating.success) > _SURE
    return fooled


def fooled_by_square(
    subject: Examined, chosen: np.ndarray, slots: int, num_queries: int
) -> np.ndarray:
    """Attack the images of some indices with Square; return where a query is misclassified.

    As many as `slots` are evaluated at once in any case; random models are not for it.
    """
    if not len(chosen):
        return np.zeros(0, bool)
    job = jax.tree.map(lambda leaf: leaf[np.resize(chosen, slots)], subject.job)
    state = run(Square(subject.norm, num_queries), subject.logits_fn, job)
    return np.asarray(state.fooled)[: len(chosen)]


def evaluate_once(subject: Examined, x: Array, *, use_margin: bool) -> Evaluation:
    """Evaluate the cross-entropy, or the margin, and its gradient at images x (B, ...)."""
    still, nobody = jnp.zeros_like(subject.job.eps), jnp.zeros(subject.job.y.shape, bool)
    return _step(subject, subject.job, x, nobody, still, use_margin=use_margin)[1]


def _step(
    subject: Examined, job: Job, x: Array, fooled: Array, step_size: Array, *, use_margin: bool
) -> tuple[Array, Evaluation]:
    """Evaluate at x; return where to go next, and what was found, `fooled` up to here."""
    function, arguments = split_model(subject.logits_fn)
    take_step = _compiled_step(function, subject.norm, subject.samples)
    return take_step(arguments, job, x, fooled, step_size, jnp.asarray(use_margin))


@lru_cache(maxsize=16)
def _compiled_step(function: Callable[..., Array], norm: Norm, samples: int) -> Any:
    def step(
        arguments: Any, job: Job, x: Array, fooled: Array, step_size: Array, use_margin: Array
    ) -> tuple[Array, Evaluation]:
        def loss(logits: Array, y: Array, target: Array) -> Array:
            losses = margin(logits, y, target), cross_entropy(logits, y, target)
            return jnp.where(use_margin, *losses)

        found = evaluate(join_model(function, arguments), loss, job, x, job.key, samples)
        moved = climb(x, found.gradient, step_size, job.x, job.eps, norm)
        return moved, found._replace(fooled=fooled | found.fooled)

    return compiled(step)
