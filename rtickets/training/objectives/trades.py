"""TRADES: accuracy on clean images, and the same answers around them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks import LogitsFn, Norm
from rtickets.attacks.projections import climb, project
from rtickets.attacks.radii import check_radius, check_step
from rtickets.attacks.search import Evaluation, Job, evaluate
from rtickets.tasks import Batch, Task
from rtickets.tasks.base import Reduce, alone
from rtickets.tasks.classification import kl_divergence
from rtickets.tasks.search import Ascent, OutputsFn, make_job
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Objective,
    TrainFn,
    check_classes,
    clean_and_perturbed,
    searched,
)

_START = 0.001  # standard deviation; at the image itself the divergence has no gradient


class KlState(NamedTuple):
    """Where the search is.

    Attributes:
        x: the image that is evaluated next, (B, H, W, C).
        fooled: whether the image before was misclassified, (B,).
    """

    x: Array
    fooled: Array

    @property
    def x_adv(self) -> Array:
        """The image moved last."""
        return self.x


@dataclass(frozen=True)
class KlAscent:
    """Projected ascent of the KL divergence from the clean prediction; `target` holds its logits.

    Attributes:
        norm: norm of the ball.
        num_steps: number of steps.
    """

    norm: Norm
    num_steps: int

    @property
    def evaluations(self) -> int:
        """One per step."""
        return self.num_steps

    def start(self, job: Job) -> KlState:
        """Return the state at the image with a little Gaussian noise."""
        shape = job.x.shape[1:]
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(job.key)
        x = project(job.x + _START * noise, job.x, job.eps, self.norm)
        return KlState(x, jnp.zeros(job.y.shape, bool))

    def step(self, logits_fn: LogitsFn, job: Job, state: KlState, count: Array) -> KlState:
        """Evaluate the current image and move on."""
        found = evaluate(logits_fn, self.measure, job, state.x, job.key)
        return self.move(job, state, found, count)

    def measure(self, logits: Array, y: Array, target: Array) -> Array:
        """Return the divergence, (B,)."""
        del y
        return kl_divergence(logits, target)

    def move(self, job: Job, state: KlState, found: Evaluation, count: Array) -> KlState:
        """Move on from the current image once it is evaluated."""
        del count
        assert job.step_size is not None
        x = climb(state.x, found.gradient, job.step_size, job.x, job.eps, self.norm)
        return KlState(x, found.fooled)


def trades(
    task: Task = CLASSIFICATION,
    *,
    eps: float,
    step_size: float,
    num_steps: int,
    norm: Norm = "linf",
    beta: float = 6.0,
) -> Objective:
    """Return the TRADES loss (Zhang et al. 2019, algorithm 1).

    It is the cross-entropy of the clean images plus `beta` times KL(clean || perturbed), perturbed
    so as to maximise that divergence; the clean logits are differentiated as well. Clean and
    perturbed images pass the network separately, as in the authors' code; running statistics
    become the mean of what both passes make of them. The logits returned are the perturbed ones.

    Args:
        task: what the network is asked to do.
        eps: radius in pixel units.
        step_size: step of the inner maximisation.
        num_steps: its number of steps.
        norm: 'linf', 'l2' or 'l1'.
        beta: weight of the divergence, 1 / lambda in the paper.

    Returns:
        The objective.

    Raises:
        InputError: for a radius or step that cannot be.
    """
    check_classes(task, "trades")
    check_radius(eps, norm)
    check_step(step_size, eps, norm)
    search = KlAscent(norm, num_steps)

    def inner(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> tuple[Ascent, Job]:
        clean = outputs_fn(batch[task.input])
        return search, make_job(task, batch, keys, eps, step_size, target=clean)

    def loss(
        train_fn: TrainFn, batch: Batch, perturbed: Array, reduce: Reduce = alone
    ) -> tuple[Array, Any, Any]:
        clean, outputs, stats = clean_and_perturbed(train_fn, batch[task.input], perturbed)
        losses = task.loss(clean, batch, reduce)
        return losses + beta * task.divergence(outputs, clean), outputs, stats

    return Objective(searched(inner), loss, inner)
