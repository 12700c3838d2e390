"""Auto-PGD for the L1 norm (Croce & Hein 2021): sparse steps of adaptive sparsity."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks.expectation import evaluate_against
from rtickets.attacks.losses import LossName, make_loss
from rtickets.attacks.projections import per_example, project
from rtickets.attacks.search import Evaluation, Job, LogitsFn, choose

_RADII = 3, 2, 1  # of the phases, in radii of the ball
_CHECKPOINTS = 25  # of a phase: one every 4% of its steps
_SPARSER = 1.5  # a step changes the number of pixels changed so far over this
_PROGRESS = 0.95  # ratio of the numbers of changed pixels below which the step size starts again
_SHRINK, _SMALLEST = 1.5, 0.1  # of the step size otherwise, and its least share of the radius


class ApgdL1State(NamedTuple):
    """Where a search is; every field has a leading axis of examples.

    Attributes:
        x_adv: the last image in the ball that fooled the model, else that with the largest loss.
        fooled: whether `x_adv` is misclassified.
        x: the image that is evaluated next.
        best: image with the largest loss in this phase.
        best_gradient: gradient there.
        best_loss: that loss; of a random model, on the draws of the last evaluation.
        step_size: current length of a step.
        changed: number of entries in which `best` differed from the image at the last checkpoint.
        broken: whether a gradient had entries that were not finite.
    """

    x_adv: Array
    fooled: Array
    x: Array
    best: Array
    best_gradient: Array
    best_loss: Array
    step_size: Array
    changed: Array
    broken: Array


@dataclass(frozen=True)
class ApgdL1:
    """The search of Croce & Hein 2021 with decreasing radii, as in their implementation.

    30%, 30% and 40% of the steps are taken in balls of 3, 2 and 1 times the radius, each phase
    starting at the projection of the best image of the one before. Two details differ, without
    which the search stops short of the optimum of a linear model: entries that cannot move any
    further do not use up the step, and the sparsity is rounded down, so that it can reach 1. For
    the fields see `rtickets.attacks.apgd.Apgd`.
    """

    norm: Literal["l1"]
    num_steps: int
    loss: LossName
    targeted: bool
    samples: int
    num_classes: int

    @property
    def evaluations(self) -> int:
        """One per step and one for the last image of every phase."""
        return self.num_steps + len(_RADII)

    def start(self, job: Job) -> ApgdL1State:
        """Return the state at the projection of Gaussian noise, which is sparse."""
        noise = jax.vmap(lambda key: jax.random.normal(key, job.x.shape[1:], jnp.float32))(job.key)
        radius = _RADII[0] * job.eps
        x, no = project(job.x + noise, job.x, radius, "l1"), jnp.zeros(job.y.shape, bool)
        return ApgdL1State(
            x_adv=project(x, job.x, job.eps, "l1"), fooled=no, x=x, best=x,
            best_gradient=jnp.zeros_like(x), best_loss=jnp.full(job.y.shape, -jnp.inf, jnp.float32),
            step_size=radius, changed=_changed(x, job), broken=no,
        )  # fmt: skip

    def step(self, logits_fn: LogitsFn, job: Job, state: ApgdL1State, count: Array) -> ApgdL1State:
        """Evaluate the current image, keep it if it is the best, and move on."""
        loss = make_loss(self.loss, self.num_classes, targeted=self.targeted)
        key = jax.vmap(jax.random.fold_in)(job.key, count)
        found, best_loss = evaluate_against(
            logits_fn, loss, job, state.x, (state.best, state.best_loss), key, self.samples
        )
        state = state._replace(best_loss=best_loss)
        phase, steps, done = self._clock(count)
        # Only the last phase searches the ball itself; the others' images may lie outside.
        state = _record(state, found, phase == len(_RADII) - 1)
        window = jnp.maximum(steps // _CHECKPOINTS, 1)
        here = (done > 0) & (done % window == 0)
        radius = jnp.asarray(_RADII, jnp.float32)[phase] * job.eps
        state, gradient = _checkpoint(state, found.gradient, job, radius, here)
        last = done == steps
        aim = choose(last, state.best, _sparse_step(state, gradient, job))
        following = jnp.asarray((*_RADII[1:], _RADII[-1]), jnp.float32)[phase] * job.eps
        x = project(aim, job.x, jnp.where(last, following, radius), "l1")
        return state._replace(
            x=x,
            best_loss=jnp.where(last, -jnp.inf, state.best_loss),
            step_size=jnp.where(last, following, state.step_size),
            changed=jnp.where(last, _changed(x, job), state.changed),
        )

    def _clock(self, count: Array) -> tuple[Array, Array, Array]:
        """Return the phase, its number of steps and those of them done, from the evaluations."""
        early = 3 * self.num_steps // 10
        steps = jnp.asarray((early, early, self.num_steps - 2 * early))
        starts = jnp.asarray((0, early + 1, 2 * early + 2))
        phase = (count[:, None] >= starts[1:]).sum(1)
        return phase, steps[phase], count - starts[phase]


def _changed(x: Array, job: Job) -> Array:
    """Return the number of entries in which images differ from the original, int32 (B,)."""
    return (x != job.x).sum(tuple(range(1, x.ndim)), dtype=jnp.int32)


def _record(state: ApgdL1State, found: Evaluation, counts: Array) -> ApgdL1State:
    """Take over what an evaluation of `state.x` found, as a result where it counts."""
    better = found.loss > state.best_loss
    keep = counts & (found.fooled | (better & ~state.fooled))
    return state._replace(
        x_adv=choose(keep, state.x, state.x_adv),
        fooled=state.fooled | (counts & found.fooled),
        best=choose(better, state.x, state.best),
        best_gradient=choose(better, found.gradient, state.best_gradient),
        best_loss=jnp.where(better, found.loss, state.best_loss),
        broken=state.broken | found.broken,
    )


def _checkpoint(
    state: ApgdL1State, gradient: Array, job: Job, radius: Array, here: Array
) -> tuple[ApgdL1State, Array]:
    """Go back to the best image with long steps where it became sparser, else shorten them."""
    changed = _changed(state.best, job)
    sparser = here & (changed < _PROGRESS * state.changed)
    shorter = jnp.maximum(state.step_size / _SHRINK, _SMALLEST * radius)
    step_size = jnp.where(sparser, radius, jnp.where(here, shorter, state.step_size))
    state = state._replace(
        x=choose(sparser, state.best, state.x),
        step_size=step_size,
        changed=jnp.where(here, changed, state.changed),
    )
    return state, choose(sparser, state.best_gradient, gradient)


def _sparse_step(state: ApgdL1State, gradient: Array, job: Job) -> Array:
    """Move the entries with the largest slopes, fewer than have been changed, equally far.

    Entries at a bound are pushed too: it costs nothing, as the projection holds them there.
    """
    slopes, axes = jnp.abs(gradient), tuple(range(1, gradient.ndim))
    movable = jnp.where(gradient > 0, state.x < 1, state.x > 0)
    useful = jnp.where(movable | (state.x != job.x), slopes, 0).reshape(len(slopes), -1)
    rank = useful.shape[1] - jnp.maximum((state.changed / _SPARSER).astype(jnp.int32), 1)
    least = jnp.take_along_axis(jnp.sort(useful, axis=1), rank[:, None], 1)[:, 0]
    least = jnp.minimum(least, jnp.max(slopes * movable, axes))
    signs = jnp.sign(gradient) * (slopes >= per_example(least, slopes))
    moving = jnp.sum(jnp.abs(signs) * movable, axes)
    return state.x + per_example(state.step_size / jnp.maximum(moving, 1), signs) * signs
