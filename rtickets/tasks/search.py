"""PGD on any task: on the logits of classes by the attacks' own losses, else on the task's loss.

Functions take the task, a batch of it that is prepared (see `rtickets.tasks.base`), typed PRNG keys
(b,), one per example, and a radius and a step in pixel units, the same for every example.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks import LogitsFn
from rtickets.attacks.broken import only_finite
from rtickets.attacks.pgd import Pgd, PgdState
from rtickets.attacks.search import Evaluation, Job, Search, run
from rtickets.attacks.segpgd import SEGPGD
from rtickets.errors import InputError
from rtickets.tasks.base import Batch, Reduce, Task, alone
from rtickets.tasks.whole import over_devices

OutputsFn = Callable[[Array], Any]


class Ascent(Search, Protocol):
    """A search that evaluates the images `x` of its state once a step."""

    def measure(self, logits: Array, y: Array, target: Any, count: Any = 0) -> Array:
        """Return what is maximised, float32 (B,), at the `count`-th evaluation from 0."""
        ...

    def move(self, job: Job, state: Any, found: Evaluation, count: Array) -> Any:
        """Return the state after an evaluation, the `count`-th from 0."""
        ...


@dataclass(frozen=True)
class TaskPgd(Pgd):
    """PGD that raises the loss of a task; the `target` of its job is the batch.

    Attributes:
        task: the task.
        reduce: the whole batch, for losses that look at it.
        weighted: raise `Task.ascent` instead, and with `best` return the image of most `harm`.
    """

    task: Task | None = None
    reduce: Reduce = alone
    weighted: bool = False

    def step(self, logits_fn: LogitsFn, job: Job, state: PgdState, count: Array) -> PgdState:
        """Evaluate the current image and move on."""
        task = self.task
        assert task is not None
        batch: Any = job.target

        def total(x: Array) -> tuple[Array, tuple[Array, Array]]:
            outputs = logits_fn(x)
            raised = self.measure(outputs, job.y, job.target, count)
            losses = task.harm(outputs, batch) if self.weighted else raised
            return raised.sum(), (losses, task.fooled(outputs, batch))

        gradient, (losses, fooled) = jax.grad(total, has_aux=True)(state.x)
        gradient, broken = only_finite(gradient)
        return self.move(job, state, Evaluation(losses, gradient, fooled, broken), count)

    def measure(self, logits: Array, y: Array, target: Any, count: Any = 0) -> Array:
        """Return the task's loss, or its answers weighted, (B,)."""
        del y
        assert self.task is not None
        if not self.weighted:
            return self.task.loss(logits, target, self.reduce)
        return self.task.ascent(logits, target, count / jnp.float32(max(1, self.num_steps)))


def check_attackable(task: Task, what: str, instead: str) -> None:
    """Raise InputError for what changes inputs a little, where that has no meaning.

    Args:
        task: the task.
        what: the setting that asks for it.
        instead: what to do.
    """
    if not task.attackable:
        raise InputError(
            f"{what} changes inputs a little, as pixels can be, and {type(task).__name__} is about "
            f"{', '.join(task.inputs)}, which cannot; {instead}"
        )


def make_pgd(task: Task, batch: Batch, **settings: Any) -> Ascent:
    """Return PGD as it is run on a task, with settings of `rtickets.attacks.pgd.Pgd`.

    Raises:
        InputError: for a loss that needs classes, on a task without, or many answers, on a task of
            one.
    """
    weighted = settings.get("loss") == SEGPGD
    own = {**settings, "loss": "ce"} if weighted else settings
    if task.has_classes:
        return Pgd(**own)
    if weighted and not task.weights_answers:
        raise InputError(
            f"the attack 'segpgd' weights what is right and wrong of an answer, and "
            f"{type(task).__name__} does not tell these apart; choose 'pgd'"
        )
    if own.get("loss", "ce") != "ce":
        raise InputError(
            f"attack.loss={settings['loss']!r} is one of logits over classes, which "
            f"{type(task).__name__} has not; leave it out to raise the task's own loss"
        )
    return TaskPgd(**own, task=task, weighted=weighted)


def on_all_devices(search: Ascent) -> Ascent:
    """Return a search as a training step runs it: losses look at the batch of all devices."""
    return replace(search, reduce=over_devices) if isinstance(search, TaskPgd) else search


def make_job(
    task: Task, batch: Batch, keys: Array, eps: Any, step_size: Any, target: Any = None
) -> Job:
    """Return what is attacked.

    Args:
        target: what the search compares outputs with; None is the class, or the batch where there
            are no classes.
    """
    x, labels = batch[task.input], task.labels(batch)
    y = jnp.zeros(len(x), jnp.int32) if labels is None else labels.astype(jnp.int32)
    goal: Any = batch if labels is None else y
    radius, step = (jnp.full(y.shape, each, jnp.float32) for each in (eps, step_size))
    return Job(x, y, goal if target is None else target, keys, radius, step)


def attacked(
    task: Task,
    outputs_fn: OutputsFn,
    batch: Batch,
    keys: Array,
    *,
    eps: Any,
    step_size: Any,
    **settings: Any,
) -> Array:
    """Return the inputs that PGD ends at.

    Args:
        outputs_fn: maps inputs to outputs; none depends on another example.
        **settings: see `make_pgd`.
    """
    search = make_pgd(task, batch, **settings)
    state = run(search, outputs_fn, make_job(task, batch, keys, eps, step_size))
    return jax.lax.stop_gradient(state.x_adv)
