"""TRADES: accuracy on clean images, and the same answers around them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.attacks import LogitsFn, Norm
from rtickets.attacks.broken import only_finite
from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.attacks.projections import climb, project
from rtickets.attacks.radii import check_radius, check_step
from rtickets.attacks.search import Evaluation, Job
from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.tasks import Batch, Task
from rtickets.tasks.base import Reduce, alone
from rtickets.tasks.search import Ascent, OutputsFn, make_job
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Objective,
    TrainFn,
    clean_and_perturbed,
    refusal,
    searched,
)
from rtickets.training.objectives.settings import Searched

_START = 0.001  # standard deviation; at the image itself the divergence has no gradient


class KlState(NamedTuple):
    """Where the search is.

    Attributes:
        x: the image that is evaluated next, (B, H, W, C).
        fooled: never: it does not ask what the right answer is, (B,).
        broken: whether a gradient had entries that were not finite, (B,).
    """

    x: Array
    fooled: Array
    broken: Array

    @property
    def x_adv(self) -> Array:
        """The image moved last."""
        return self.x


@dataclass(frozen=True)
class KlAscent:
    """Projected ascent of the divergence from the clean answer, which `target` holds.

    Attributes:
        norm: norm of the ball.
        num_steps: number of steps.
        task: it knows the divergence.
    """

    norm: Norm
    num_steps: int
    task: Task = CLASSIFICATION

    @property
    def evaluations(self) -> int:
        """One per step."""
        return self.num_steps

    def start(self, job: Job) -> KlState:
        """Return the state at the image with a little Gaussian noise."""
        shape = job.x.shape[1:]
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(job.key)
        x = project(job.x + _START * noise, job.x, job.eps, self.norm)
        no = jnp.zeros(job.y.shape, bool)
        return KlState(x, no, no)

    def step(self, logits_fn: LogitsFn, job: Job, state: KlState, count: Array) -> KlState:
        """Evaluate the current image and move on."""

        def total(x: Array) -> tuple[Array, Array]:
            losses = self.measure(logits_fn(x), job.y, job.target)
            return losses.sum(), losses

        gradient, losses = jax.grad(total, has_aux=True)(state.x)
        gradient, broken = only_finite(gradient)
        return self.move(job, state, Evaluation(losses, gradient, state.fooled, broken), count)

    def measure(self, logits: Any, y: Array, target: Any, count: Any = 0) -> Array:
        """Return the divergence, (B,), the same at every evaluation."""
        del y, count
        return self.task.divergence(logits, target)

    def move(self, job: Job, state: KlState, found: Evaluation, count: Array) -> KlState:
        """Move on from the current image once it is evaluated."""
        del count
        assert job.step_size is not None
        x = climb(state.x, found.gradient, job.step_size, job.x, job.eps, self.norm)
        return KlState(x, state.fooled, state.broken | found.broken)


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

    It is the task's loss, of classes the cross-entropy, on the clean images plus `beta`, 1 / lambda
    in the paper, times the divergence, KL(clean || perturbed), of images perturbed so as to
    maximise it; the clean answers are differentiated as well. Clean and perturbed images pass the
    network separately, as in the authors' code; running statistics become the mean of what both
    passes make of them. The logits returned are the perturbed ones.

    Raises:
        InputError: for a task without such a divergence, and as `adversarial`.
    """
    if not task.has_divergence:
        raise refusal("trades", "needs a distance between answers", task)
    check_radius(eps, norm)
    check_step(step_size, eps, norm)
    search = KlAscent(norm, num_steps, task)

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


@settings(frozen=True, config=STRICT)
class Trades(Searched):
    """The loss of clean images, and the divergence that an ascent of its own raises.

    Attributes:
        attack: length, number and norm of the steps; it is always 'pgd'.
        beta: weight of the divergence (Zhang et al. 2019).
    """

    name: Literal["trades"] = "trades"
    attack: PgdSettings = field(default_factory=lambda: PgdSettings(num_steps=7))
    beta: NotNegative = 6.0
    loss_passes = 2  # clean and adversarial images

    def make(self, task: Task) -> Objective:
        """Return `trades`."""
        attack = self.attack
        return trades(
            task, eps=attack.eps, step_size=attack.step, num_steps=attack.steps, norm=attack.norm,
            beta=self.beta,
        )  # fmt: skip

    def problems(self) -> Iterator[str]:
        """Yield what only other objectives do with the attack."""
        usual = PgdSettings()
        for name in ("random_start", "loss", "rule", "best"):
            if (value := getattr(usual, name)) != getattr(self.attack, name):
                yield f"objective 'trades' does not use attack.{name}; leave it at {value!r}"
        yield from super().problems()
