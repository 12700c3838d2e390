"""What `rtickets.attacks.honesty` measures: a model's answers on a few images, without a judgement.

All attacks share one compiled step: radius, step size and loss are data.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks.identity import pin
from rtickets.attacks.inputs import (
    KeyLike,
    check_labels,
    clean_logits,
    read_inputs,
    refuse_trace,
)
from rtickets.attacks.losses import cross_entropy, margin
from rtickets.attacks.projections import Norm, check_norm, climb
from rtickets.attacks.radii import check_radius
from rtickets.attacks.search import (
    Evaluation,
    Job,
    LogitsFn,
    call_model,
    evaluate,
    join_model,
    run,
    split_model,
)
from rtickets.attacks.square import Square
from rtickets.errors import InputError

MOVES = (1e-5, 1 / 255, 0.1)  # of all pixels: far below any eps, a level of 8-bit images, large
_HARMLESS = 0.1  # change of the logits, of their spread; a model in bfloat16 may be this rough
_PROPORTIONAL = 0.25  # from the power 1 that a change grows with; rounding has 1/2, noise 0
_SHADE_MOVE = 1 / 64  # far more than bfloat16 resolves; 32 levels or fewer are flat at most places
_HUGE = 1e30  # stands for logits that are not finite


class Subject(NamedTuple):
    """A model and the images that it is examined on.

    Attributes:
        logits_fn: the model.
        job: images, labels, keys and the radius of the evaluation.
        norm: norm of the ball.
        samples: draws of a random model, 0 for one that takes no key.
        clean: float64 logits of the images (B, classes).
    """

    logits_fn: LogitsFn
    job: Job
    norm: Norm
    samples: int
    clean: np.ndarray


def make_subject(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    eps: float,
    norm: Norm,
    samples: int,
) -> Subject:
    """Check and gather what is examined; arguments as of `rtickets.attacks.honesty.check_model`."""
    refuse_trace("check_model", logits_fn, x, y, key, eps)
    check_norm(norm)
    if samples < 0:
        raise InputError(f"samples={samples} must be at least 0")
    logits_fn, x, y, keys = read_inputs(logits_fn, x, y, key, samples)
    check_radius(eps, norm, x.shape[1:])
    if not eps > 0:
        raise InputError(f"eps={eps} must be positive, in pixel units")
    logits_fn = pin(logits_fn, x, keys, samples)
    clean = clean_logits(logits_fn, x, keys, samples)
    check_labels(clean, y)
    job = Job(x, y, y, keys, jnp.full(y.shape, eps, jnp.float32))
    return Subject(logits_fn, job, norm, samples, np.asarray(clean, np.float64))


def logits_at(subject: Subject, x: Array) -> np.ndarray:
    """Return float64 logits (B, classes) from the compiled model, the mean over samples."""
    logits = clean_logits(subject.logits_fn, x, subject.job.key, subject.samples)
    return np.nan_to_num(np.asarray(logits, np.float64), nan=0, posinf=_HUGE, neginf=-_HUGE)


def repeat_difference(subject: Subject) -> float:
    """Return the largest difference between two calls, in units of the spread of the logits.

    The calls are once made as they are and once compiled: a model that draws its noise on the host
    would have it frozen by compilation, and one that calls back would not.
    """
    job = subject.job

    def plain() -> np.ndarray:
        logits = call_model(subject.logits_fn, job.x, job.key, subject.samples)
        return np.asarray(logits, np.float64)

    differences = plain() - plain(), logits_at(subject, job.x) - subject.clean
    return max(float(np.abs(each).max()) for each in differences) / spread(subject)


def companion_difference(subject: Subject) -> float:
    """Return how much logits change with the rest of the batch, in units of their spread.

    Each half of the images is evaluated beside the negatives of the other half. Shape and places
    stay, so that an honest model rounds alike and answers alike to the last bit.
    """
    x, first = subject.job.x, np.arange(len(subject.clean)) < len(subject.clean) // 2
    largest = 0.0
    for kept in (first, ~first):
        mixed = jnp.where(kept.reshape(-1, *[1] * (x.ndim - 1)), x, 1 - x)
        change = np.abs(logits_at(subject, mixed) - subject.clean)[kept]
        largest = max(largest, float(change.max(initial=0)))
    return largest / spread(subject)


def probability_error(logits: np.ndarray) -> float:
    """Return how far the sums of rows are from 1, infinity if an entry is negative."""
    return float(np.abs(logits.sum(-1) - 1).max()) if logits.min() >= 0 else np.inf


def logit_changes(subject: Subject) -> np.ndarray:
    """Return how much logits change when every pixel moves up or down at random.

    Returns:
        Changes (3, B) for each of `MOVES`, in units of the spread of the logits; what all classes
        have in common does not count.
    """
    x, key = subject.job.x, jax.vmap(lambda key: jax.random.fold_in(key, 1))(subject.job.key)
    signs = jax.vmap(lambda key: jax.random.rademacher(key, x.shape[1:], jnp.float32))(key)
    changes = []
    for size in MOVES:
        moved = x + size * signs
        moved = jnp.where((moved < 0) | (moved > 1), x - size * signs, moved)
        difference = _centred(logits_at(subject, moved)) - _centred(subject.clean)
        changes.append(np.sqrt((difference**2).mean(-1)))
    return np.stack(changes) / spread(subject)


def has_jumps(changes: np.ndarray) -> bool:
    """Judge by how the changes (3,) of the logits grow with `MOVES`.

    For a smooth model they are proportional, for one that rounds pixels they grow with the square
    root, and for noise they do not grow. A steep smooth model may have changed as far as it goes
    before the largest move; it has been proportional until then.
    """
    roots = changes[-1] * np.sqrt(np.divide(MOVES, MOVES[-1]))
    if not (changes > np.maximum(2 * roots, _HARMLESS))[:-1].any():
        return False
    tiny, small = np.log(np.maximum(changes[:2], np.finfo(np.float64).tiny))
    power = (small - tiny) / np.log(MOVES[1] / MOVES[0])
    return bool(abs(power - 1) > _PROPORTIONAL)


def flat_share(subject: Subject) -> float:
    """Return the share of images on which a step of 1/64 changes nothing and one of 1/2 does.

    Images are reduced to three shades, the dark and the bright third of the pixels fixed, and the
    middle one moves as a whole. So a model that rounds pixels crosses a level with all of them or
    with none, however many pixels there are; random signs would let some pixels cross.
    """
    x = subject.job.x
    rank = jnp.argsort(jnp.argsort(x.reshape(len(x), -1), axis=1), axis=1)
    third = (3 * rank // rank.shape[1]).reshape(x.shape)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 2))(subject.job.key)
    shade = jax.vmap(lambda key: jax.random.uniform(key, minval=0.25, maxval=0.5))(keys)
    shade = shade.reshape(-1, *[1] * (x.ndim - 1))

    def logits(move: float) -> np.ndarray:
        middle = jnp.where(third == 1, shade + move, 0.9)
        return logits_at(subject, jnp.where(third == 0, 0.1, middle))

    start = logits(0)
    same = (logits(_SHADE_MOVE) == start).all(-1)
    return float((same & (logits(0.5) != start).any(-1)).mean())


def fooled_by_pgd(
    subject: Subject, eps: float, num_steps: int, *, use_margin: bool = False
) -> np.ndarray:
    """Attack with PGD on the cross-entropy, or on the margin, from the images themselves.

    Without a random start, one step is optimal on a linear model and more steps lose nothing.

    Args:
        subject: the model and the images.
        eps: radius, in place of the subject's.
        num_steps: number of steps, of 2.5 eps / num_steps but at most eps.
        use_margin: climb the margin.

    Returns:
        bool (B,), whether any image on the way is misclassified.
    """
    return np.asarray(_attacked(subject, eps, num_steps, use_margin=use_margin)[1])


def _attacked(
    subject: Subject, eps: float, num_steps: int, *, use_margin: bool
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


def fooled_for_sure(subject: Subject, eps: float, num_steps: int) -> np.ndarray:
    """Attack with PGD on the cross-entropy and on the margin, as `fooled_by_pgd` does.

    Returns:
        bool (B,), whether any image on the way is misclassified; against a random model, whether
        the last one is, in the mean over fresh draws.
    """
    if not subject.samples:
        by = (fooled_by_pgd(subject, eps, num_steps, use_margin=each) for each in (False, True))
        return np.logical_or(*by)
    fresh = jax.vmap(lambda key: jax.random.fold_in(key, 4))(subject.job.key)
    fooled = np.zeros(len(subject.clean), bool)
    for use_margin in (False, True):
        x = _attacked(subject, eps, num_steps, use_margin=use_margin)[0]
        logits = clean_logits(subject.logits_fn, x, fresh, subject.samples)
        fooled |= np.asarray(logits.argmax(-1) != subject.job.y)
    return fooled


def fooled_by_square(
    subject: Subject, chosen: np.ndarray, slots: int, num_queries: int
) -> np.ndarray:
    """Attack some images with Square.

    Args:
        subject: the model, not a random one, and the images.
        chosen: indices of at most `slots` images.
        slots: how many are evaluated at once, always as many.
        num_queries: evaluations of the model.

    Returns:
        bool (len(chosen),), whether a query is misclassified.
    """
    if not len(chosen):
        return np.zeros(0, bool)
    job = jax.tree.map(lambda leaf: leaf[np.resize(chosen, slots)], subject.job)
    state = run(Square(subject.norm, num_queries), subject.logits_fn, job)
    return np.asarray(state.fooled)[: len(chosen)]


def evaluate_once(subject: Subject, x: Array, *, use_margin: bool) -> Evaluation:
    """Evaluate the cross-entropy, or the margin, and its gradient at images x (B, ...)."""
    still, nobody = jnp.zeros_like(subject.job.eps), jnp.zeros(subject.job.y.shape, bool)
    return _step(subject, subject.job, x, nobody, still, use_margin=use_margin)[1]


def _step(
    subject: Subject, job: Job, x: Array, fooled: Array, step_size: Array, *, use_margin: bool
) -> tuple[Array, Evaluation]:
    """Evaluate at x; return where to go next, and what was found, `fooled` up to here."""
    function, arguments = split_model(subject.logits_fn)
    compiled = _compiled_step(function, subject.norm, subject.samples)
    return compiled(arguments, job, x, fooled, step_size, jnp.asarray(use_margin))


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

    return jax.jit(step)


def _centred(logits: np.ndarray) -> np.ndarray:
    return logits - logits.mean(-1, keepdims=True)


def spread(subject: Subject) -> float:
    """Return the root mean square of the centred logits, or 1 where they are all equal."""
    return float(np.sqrt((_centred(subject.clean) ** 2).mean())) or 1.0
