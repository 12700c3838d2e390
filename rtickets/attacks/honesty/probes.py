"""What `rtickets.attacks.honesty` measures: a model's answers on a few images, not judged yet."""

from typing import NamedTuple

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
from rtickets.attacks.projections import Norm, check_norm
from rtickets.attacks.radii import check_radius
from rtickets.attacks.search import (
    Job,
    LogitsFn,
    call_model,
)
from rtickets.attacks.stale_jit import why_not_plain
from rtickets.errors import InputError

MOVES = (1e-5, 1 / 255, 0.1)  # of all pixels: far below any eps, a level of 8-bit images, large
_HARMLESS = 0.1  # change of the logits, of their spread; a model in bfloat16 may be this rough
_PROPORTIONAL = 0.25  # from the power 1 that a change grows with; rounding has 1/2, noise 0
_SHADE_MOVE = 1 / 64  # far more than bfloat16 resolves; 32 levels or fewer are flat at most places
_HUGE = 1e30  # stands for logits that are not finite


class Examined(NamedTuple):
    """A model and the images that it is examined on.

    Attributes:
        logits_fn: the model.
        job: images, labels, keys and the radius of the evaluation.
        norm: norm of the ball.
        samples: draws of a random model, 0 for one that takes no key.
        clean: float64 logits of the images (B, classes).
        unknown: why the model cannot be compared with itself without `jax.jit`, or ''.
    """

    logits_fn: LogitsFn
    job: Job
    norm: Norm
    samples: int
    clean: np.ndarray
    unknown: str = ""


def make_subject(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    eps: float,
    norm: Norm,
    samples: int,
) -> Examined:
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
    refuse_trace("check_model", logits_fn)  # what a closure holds shows here
    clean = clean_logits(logits_fn, x, keys, samples)
    check_labels(clean, y)
    unknown = why_not_plain(logits_fn, clean, x, keys, samples)
    job = Job(x, y, y, keys, jnp.full(y.shape, eps, jnp.float32))
    return Examined(logits_fn, job, norm, samples, np.asarray(clean, np.float64), unknown)


def logits_at(subject: Examined, x: Array) -> np.ndarray:
    """Return float64 logits (B, classes) from the compiled model, the mean over samples."""
    logits = clean_logits(subject.logits_fn, x, subject.job.key, subject.samples)
    return np.nan_to_num(np.asarray(logits, np.float64), nan=0, posinf=_HUGE, neginf=-_HUGE)


def repeat_difference(subject: Examined) -> float:
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


def companion_difference(subject: Examined) -> float:
    """Return how much logits change with the rest of the batch, in units of their spread.

    Half of the images, drawn at random so that groups of any kind are mixed, is evaluated beside
    the negatives of the others, and the others likewise. Shape and places stay, so that an honest
    model rounds alike and answers alike to the last bit.
    """
    x, count = subject.job.x, len(subject.clean)
    first = np.random.default_rng(0).permutation(count) < count // 2
    largest = 0.0
    for kept in (first, ~first):
        mixed = jnp.where(kept.reshape(-1, *[1] * (x.ndim - 1)), x, 1 - x)
        change = np.abs(logits_at(subject, mixed) - subject.clean)[kept]
        largest = max(largest, float(change.max(initial=0)))
    return largest / spread(subject)


def place_difference(subject: Examined) -> float:
    """Return how much logits change with an image's place in the batch, in units of their spread.

    The images and their keys are evaluated in reverse. Kernels may round otherwise at another
    place, so that an honest model in bfloat16 does not answer alike to the last bit.
    """
    job = subject.job
    logits = clean_logits(subject.logits_fn, job.x[::-1], job.key[::-1], subject.samples)
    change = np.asarray(logits, np.float64)[::-1] - subject.clean
    return float(np.nan_to_num(np.abs(change), nan=_HUGE).max()) / spread(subject)


def probability_error(logits: np.ndarray) -> float:
    """Return how far the sums of rows are from 1, infinity if an entry is negative."""
    return float(np.abs(logits.sum(-1) - 1).max()) if logits.min() >= 0 else np.inf


def logit_changes(subject: Examined) -> np.ndarray:
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


def flat_share(subject: Examined) -> float:
    """Return the share of images on which a step of 1/64 changes nothing and one of 1/2 does.

    Images are reduced to three shades, the dark and the bright third of the pixels fixed, and the
    middle one moves as a whole. So a model that rounds pixels crosses a level with all of them or
    with none, however many pixels there are; random signs would let some pixels cross.
    """
    x = subject.job.x
    rank = jnp.argsort(jnp.argsort(x.reshape(len(x), -1), axis=1), axis=1)
    third = (3 * rank // rank.shape[1]).reshape(x.shape)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 2))(subject.job.key)
    shade = jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32, minval=0.25, maxval=0.5))(
        keys
    )
    shade = shade.reshape(-1, *[1] * (x.ndim - 1))

    def logits(move: float) -> np.ndarray:
        middle = jnp.where(third == 1, shade + move, 0.9)
        return logits_at(subject, jnp.where(third == 0, 0.1, middle))

    start = logits(0)
    same = (logits(_SHADE_MOVE) == start).all(-1)
    return float((same & (logits(0.5) != start).any(-1)).mean())


def _centred(logits: np.ndarray) -> np.ndarray:
    return logits - logits.mean(-1, keepdims=True)


def spread(subject: Examined) -> float:
    """Return the root mean square of the centred logits, or 1 where they are all equal."""
    return float(np.sqrt((_centred(subject.clean) ** 2).mean())) or 1.0
