"""Auto-PGD (Croce & Hein 2020): PGD that chooses its own step sizes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.attacks.apgd_l1 import ApgdL1
from rtickets.attacks.expectation import evaluate_against
from rtickets.attacks.losses import LossName, make_loss
from rtickets.attacks.projections import (
    Norm,
    ascend,
    per_example,
    project,
    uniform_in_ball,
)
from rtickets.attacks.search import Evaluation, Job, LogitsFn, choose
from rtickets.attacks.settings import Noisy, Repeated
from rtickets.settings.kinds import STRICT, Positive

_MOMENTUM = 0.75
_PROGRESS = 0.75  # share of steps that must raise the loss for the step size to stay
_FIRST_WINDOW, _WINDOW_DECREASE, _LAST_WINDOW = 0.22, 0.03, 0.06  # shares of the steps


class ApgdState(NamedTuple):
    """Where a search is; every field has a leading axis of examples.

    Attributes:
        x_adv: the last image that fooled the model, else the one with the largest loss.
        fooled: whether `x_adv` is misclassified.
        x: the image that is evaluated next.
        previous: the one evaluated before it.
        best: image with the largest loss.
        best_gradient: gradient there.
        best_loss: that loss; of a random model, on the draws of the last evaluation.
        last_loss: loss of the previous evaluation.
        step_size: current length of a step.
        window: steps until the next checkpoint when the last one was set.
        since: steps since that checkpoint.
        rises: those of them that raised the loss.
        halved: whether that checkpoint halved the step size; true before the first.
        checkpoint_loss: the largest loss at that checkpoint.
        broken: whether a gradient had entries that were not finite.
    """

    x_adv: Array
    fooled: Array
    x: Array
    previous: Array
    best: Array
    best_gradient: Array
    best_loss: Array
    last_loss: Array
    step_size: Array
    window: Array
    since: Array
    rises: Array
    halved: Array
    checkpoint_loss: Array
    broken: Array


@dataclass(frozen=True)
class Apgd:
    """The search of Croce & Hein 2020, Algorithm 1, with the windows of their implementation.

    Attributes:
        norm: 'linf' or 'l2'.
        targeted: whether jobs have targets.
        samples: draws of a random model per evaluation, 0 for one that takes no key.
        num_classes: width of the logits.
    """

    norm: Norm
    num_steps: int
    loss: LossName
    targeted: bool
    samples: int
    num_classes: int

    @property
    def evaluations(self) -> int:
        """One per step and one for the last image."""
        return self.num_steps + 1

    def start(self, job: Job) -> ApgdState:
        """Return the state at a uniform point of the ball."""
        noise = uniform_in_ball(job.key, job.x.shape[1:], job.eps, self.norm)
        x = project(job.x + noise, job.x, job.eps, self.norm)
        nowhere = jnp.full(job.y.shape, -jnp.inf, jnp.float32)
        zero = jnp.zeros(job.y.shape, jnp.int32)
        no, yes = jnp.zeros(job.y.shape, bool), jnp.ones(job.y.shape, bool)
        first = zero + max(int(_FIRST_WINDOW * self.num_steps), 1)
        return ApgdState(
            x_adv=x, fooled=no, x=x, previous=x, best=x, best_gradient=jnp.zeros_like(x),
            best_loss=nowhere, last_loss=nowhere, step_size=2 * job.eps, window=first, since=zero,
            rises=zero, halved=yes, checkpoint_loss=nowhere, broken=no,
        )  # fmt: skip

    def step(self, logits_fn: LogitsFn, job: Job, state: ApgdState, count: Array) -> ApgdState:
        """Evaluate the current image, keep it if it is the best, and move on."""
        loss = make_loss(self.loss, self.num_classes, targeted=self.targeted)
        key = jax.vmap(jax.random.fold_in)(job.key, count)
        found, best_loss = evaluate_against(
            logits_fn, loss, job, state.x, (state.best, state.best_loss), key, self.samples
        )
        state = state._replace(best_loss=best_loss)
        state, gradient = self._checkpoint(_record(state, found, count), found.gradient)
        uphill = ascend(state.x, gradient, state.step_size, self.norm)
        uphill = project(uphill, job.x, job.eps, self.norm)
        # The first step has nothing to be carried on by.
        share = per_example(jnp.where(count == 0, 1.0, _MOMENTUM), state.x)
        x = state.x + share * (uphill - state.x) + (1 - share) * (state.x - state.previous)
        return state._replace(x=project(x, job.x, job.eps, self.norm), previous=state.x)

    def _checkpoint(self, state: ApgdState, gradient: Array) -> tuple[ApgdState, Array]:
        """Halve the step and go back to the best image where the window brought too little."""
        here = state.since == state.window
        # Not after a halving: shorter steps get a window of their own.
        stuck = ~state.halved & (state.checkpoint_loss >= state.best_loss)
        halve = here & ((state.rises <= _PROGRESS * state.window) | stuck)
        shorter = state.window - max(int(_WINDOW_DECREASE * self.num_steps), 1)
        shortest = max(int(_LAST_WINDOW * self.num_steps), 1)
        state = state._replace(
            x=choose(halve, state.best, state.x),
            step_size=jnp.where(halve, state.step_size / 2, state.step_size),
            window=jnp.where(here, jnp.maximum(shorter, shortest), state.window),
            since=jnp.where(here, 0, state.since),
            rises=jnp.where(here, 0, state.rises),
            halved=jnp.where(here, halve, state.halved),
            checkpoint_loss=jnp.where(here, state.best_loss, state.checkpoint_loss),
        )
        return state, choose(halve, state.best_gradient, gradient)


def _record(state: ApgdState, found: Evaluation, count: Array) -> ApgdState:
    """Take over what an evaluation of `state.x` found."""
    better = found.loss > state.best_loss
    moved = count > 0
    return state._replace(
        x_adv=choose(found.fooled | (better & ~state.fooled), state.x, state.x_adv),
        fooled=state.fooled | found.fooled,
        best=choose(better, state.x, state.best),
        best_gradient=choose(better, found.gradient, state.best_gradient),
        best_loss=jnp.where(better, found.loss, state.best_loss),
        last_loss=found.loss,
        since=state.since + moved,
        rises=state.rises + (moved & (found.loss > state.last_loss)),
        checkpoint_loss=jnp.where(moved, state.checkpoint_loss, found.loss),
        broken=state.broken | found.broken,
    )


@settings(frozen=True, config=STRICT)
class AutoPgd(Noisy, Repeated):
    """PGD that chooses its own steps (Croce & Hein 2020; in L1 Croce & Hein 2021)."""

    plain = True
    maximised: ClassVar[LossName] = "dlr"

    def search(self, norm: Norm, num_classes: int, samples: int) -> Apgd | ApgdL1:
        """Return the search of the norm."""
        own = (self.steps, self.maximised, self.targets is not None, samples, num_classes)
        return ApgdL1("l1", *own) if norm == "l1" else Apgd(norm, *own)

    @property
    def loss_name(self) -> LossName:
        """The loss that is maximised."""
        return self.maximised


@settings(frozen=True, config=STRICT)
class ApgdCeSettings(AutoPgd):
    """Auto-PGD on the cross-entropy."""

    name: Literal["apgd_ce"] = "apgd_ce"
    maximised: ClassVar[LossName] = "ce"


@settings(frozen=True, config=STRICT)
class ApgdDlrSettings(AutoPgd):
    """Auto-PGD on the difference of logits ratio."""

    name: Literal["apgd_dlr"] = "apgd_dlr"


@settings(frozen=True, config=STRICT)
class ApgdTargetedSettings(AutoPgd):
    """Auto-PGD on the targeted ratio, one likely class after the other.

    Attributes:
        num_targets: classes that it aims at.
    """

    name: Literal["apgd_t"] = "apgd_t"
    num_targets: Positive = 9
