"""FAB (Croce & Hein 2020): the nearest misclassified image, by linearised decision boundaries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.attacks.broken import only_finite
from rtickets.attacks.hyperplane import move_to_hyperplane
from rtickets.attacks.losses import margin
from rtickets.attacks.models import answers
from rtickets.attacks.projections import Norm, l2_norm, per_example, project, uniform_in_ball
from rtickets.attacks.search import Job, LogitsFn, choose, differentiated, is_fooled
from rtickets.attacks.settings import Repeated
from rtickets.settings.kinds import STRICT, Positive

_ALPHA_MAX = 0.1  # largest share of the step that starts from the original image
_ETA = 1.05  # overshoot beyond the linearised boundary
_BETA = 0.9  # how much of its way a misclassified image keeps
_FINAL_STEPS = 3
_CLEARANCE = 1e-5  # share of the largest logit that a margin must exceed to outlast rounding
_SHORTEST, _TINY = 1e-8, 1e-12  # keep quotients finite
_ROUNDING = 1e-5  # share by which a float32 distance may be too small
_DUAL: dict[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}


class FabState(NamedTuple):
    """Where a search is; every field has a leading axis of examples.

    Attributes:
        x_adv: the nearest misclassified image if it is in the ball, else the original.
        fooled: whether it is in the ball.
        distance: of the nearest misclassified image, in the ball or not; infinite before any.
        nearest: that image.
        margin: lead of the best other class there, less what rounding could feign.
        inner_distance: of the image on the way to `nearest` that bounds the final search.
        inner_margin: margin there.
        x: the image that is evaluated next, once the original has been.
        broken: whether a gradient had entries that were not finite.
    """

    x_adv: Array
    fooled: Array
    distance: Array
    nearest: Array
    margin: Array
    inner_distance: Array
    inner_margin: Array
    x: Array
    broken: Array


class _Finding(NamedTuple):
    """What an evaluation tells.

    Attributes:
        margin: lead of the best other class, less what rounding could feign, (B,).
        fooled: whether the image is misclassified, by any class, (B,).
        kept: the image the next step starts from, taken back a little if it is misclassified.
        value: a linear function at the evaluated image (B,), zero on the boundary to cross.
        slope: of that function, (B, H, W, C).
        broken: whether entries of a gradient were not finite, (B,).
    """

    margin: Array
    fooled: Array
    kept: Array
    value: Array
    slope: Array
    broken: Array


@dataclass(frozen=True)
class Fab:
    """The search of Croce & Hein 2020 (minimally distorted adversarial examples), Algorithm 1.

    It does not use the radius: it minimises the distance, and succeeds if that is at most `eps`.
    Every step linearises the boundary at the image that it has just tested, so it costs one
    evaluation; the published one goes back from misclassified images first and evaluates again.

    Attributes:
        norm: 'linf', 'l2' or 'l1'.
        num_steps: number of steps before the final search.
        targeted: cross the boundary between label and target only. Otherwise every step takes the
            gradients of all logits at once, with memory for batch times classes.
        num_classes: width of the logits.
    """

    norm: Norm
    num_steps: int
    targeted: bool
    num_classes: int

    @property
    def evaluations(self) -> int:
        """One per step, one for the last image and those of the final search."""
        return self.num_steps + 1 + _FINAL_STEPS

    def start(self, job: Job) -> FabState:
        """Return the state before the original images, which are evaluated first.

        With a random start the first step is one to a random point of the ball of half the radius.
        """
        zero, no, x = jnp.zeros(job.y.shape), jnp.zeros(job.y.shape, bool), job.x
        if job.random_start is not None:
            noise = uniform_in_ball(job.key, x.shape[1:], job.eps / 2, self.norm)
            x = choose(job.random_start, project(x + noise, x, job.eps, self.norm), x)
        return FabState(
            x_adv=job.x, fooled=no, distance=zero + jnp.inf, nearest=job.x, margin=zero,
            inner_distance=zero, inner_margin=zero, x=x, broken=no,
        )  # fmt: skip

    def step(self, logits_fn: LogitsFn, job: Job, state: FabState, count: Array) -> FabState:
        """Evaluate the current image, keep it if it is the nearest, and move on."""
        first = count == 0
        here = state._replace(x=choose(first, job.x, state.x))
        evaluate = partial(self._evaluate, logits_fn, job, here.x)
        found = differentiated(evaluate, partial(answers, logits_fn), here.x)
        searched = (count > self.num_steps) & jnp.isfinite(state.distance)
        here = self._record(job, here, found, first | searched)
        x = self._approach(job, here.x, found)
        if job.random_start is not None:
            x = choose(first & job.random_start, state.x, x)
        search = (count >= self.num_steps) & jnp.isfinite(here.distance)
        return here._replace(x=choose(search, _secant(job, here), x))

    def _evaluate(self, logits_fn: LogitsFn, job: Job, x: Array) -> _Finding:
        logits, pull_back = jax.vjp(lambda x: answers(logits_fn, x), x)
        fooled = is_fooled(logits, job.y)
        kept = choose(fooled, job.x + _BETA * (x - job.x), x)
        if self.targeted:
            value, back = jax.vjp(lambda logits: margin(logits, job.y, job.target), logits)
            slope, broken = only_finite(pull_back(*back(jnp.ones_like(value)))[0])
        else:
            value, slope, broken = self._nearest_boundary(logits, pull_back, job.y, kept - x)
        lead = margin(logits, job.y, job.y) - _CLEARANCE * jnp.abs(logits).max(-1)
        return _Finding(jnp.nan_to_num(lead), fooled, kept, value, slope, broken)

    def _nearest_boundary(
        self, logits: Array, pull_back: Callable[[Array], tuple[Array]], y: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        """Return value and slope of the logit difference whose zero is nearest after a move.

        And where a slope of any class has entries that are not finite; a NaN among the distances
        would be taken for the nearest.
        """
        classes = jnp.arange(self.num_classes)[:, None]
        own = jax.nn.one_hot(y, self.num_classes)
        (slopes,) = jax.vmap(pull_back)(jax.nn.one_hot(classes, self.num_classes) - own)
        slopes, broken = jax.vmap(only_finite)(slopes)
        values = (logits - jnp.take_along_axis(logits, y[:, None], 1)).T  # (classes, B)
        steepness = jax.vmap(lambda slope: _size(slope, _DUAL[self.norm]))(slopes)
        moved = values + jax.vmap(partial(_product, delta))(slopes)
        distances = jnp.where(classes == y, jnp.inf, jnp.abs(moved) / (steepness + _TINY))
        nearest = distances.argmin(0), jnp.arange(len(y))
        return values[nearest], slopes[nearest], broken.any(0)

    def _record(self, job: Job, state: FabState, found: _Finding, bounds: Array) -> FabState:
        """Take over what an evaluation of `state.x` found.

        `bounds` (B,) is where it may bound the final search, because it lies on the way to
        `nearest`.
        """
        distance = _size(state.x - job.x, self.norm)
        nearer = found.fooled & (distance < state.distance)
        inner = bounds & ~found.fooled
        state = state._replace(
            distance=jnp.where(nearer, distance, state.distance),
            nearest=choose(nearer, state.x, state.nearest),
            margin=jnp.where(nearer, found.margin, state.margin),
            inner_distance=jnp.where(inner, distance, state.inner_distance),
            inner_margin=jnp.where(inner, found.margin, state.inner_margin),
            broken=state.broken | found.broken,
        )
        inside = state.distance * (1 + _ROUNDING) <= job.eps
        return state._replace(x_adv=choose(inside, state.nearest, job.x), fooled=inside)

    def _approach(self, job: Job, x: Array, found: _Finding) -> Array:
        """Step from x over the linearised boundary, staying close to the original image."""

        def move(start: Array) -> tuple[Array, Array]:
            value = jnp.nan_to_num(found.value + _product(found.slope, start - x))
            delta = move_to_hyperplane(start, found.slope, value, self.norm)
            return start + _ETA * delta, jnp.maximum(_size(delta, self.norm), _SHORTEST)

        (near, near_size), (far, far_size) = move(found.kept), move(job.x)
        alpha = jnp.minimum(near_size / (near_size + far_size), _ALPHA_MAX)
        alpha = per_example(alpha, x)
        return jnp.clip((1 - alpha) * near + alpha * far, 0, 1)


def _secant(job: Job, state: FabState) -> Array:
    """Return where the margin would vanish between `nearest` and the inner image if linear."""
    drop = state.margin - state.inner_margin
    inner = state.inner_distance / jnp.where(state.distance > 0, state.distance, 1)
    back = state.margin / jnp.where(drop > 0, drop, 1) * (1 - inner)
    share = jnp.clip(1 - back, 0, 1)
    return jnp.clip(job.x + per_example(share, job.x) * (state.nearest - job.x), 0, 1)


def _product(a: Array, b: Array) -> Array:
    """Return the inner product of every example, (B,)."""
    return (a * b).sum(tuple(range(1, a.ndim)))


def _size(delta: Array, norm: Norm) -> Array:
    """Return the norm of every example, (B,)."""
    if norm == "l2":
        return l2_norm(delta).reshape(-1)
    reduce = jnp.max if norm == "linf" else jnp.sum
    return reduce(jnp.abs(delta), tuple(range(1, delta.ndim)))


@settings(frozen=True, config=STRICT)
class FabSettings(Repeated):
    """FAB away from the label: every step takes the gradients of all logits."""

    name: Literal["fab"] = "fab"
    plain = True

    def search(self, norm: Norm, num_classes: int, samples: int) -> Fab:
        """Return the search; it is not for random models."""
        return Fab(norm, self.steps, False, num_classes)

    def passes_per_step(self, classes: int) -> float:
        """Return one pass, and one for every logit."""
        return 1.0 + classes


@settings(frozen=True, config=STRICT)
class FabTargetedSettings(Repeated):
    """FAB towards one likely class after the other.

    Attributes:
        num_targets: classes that it aims at.
    """

    name: Literal["fab_t"] = "fab_t"
    plain = True
    num_targets: Positive = 9

    def search(self, norm: Norm, num_classes: int, samples: int) -> Fab:
        """Return the search; it is not for random models."""
        return Fab(norm, self.steps, True, num_classes)
