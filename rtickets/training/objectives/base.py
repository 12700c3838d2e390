"""What an objective is made of.

An objective says how the inputs of a task are changed before its loss. It makes the inputs that the
loss is taken on and is never differentiated through there; the loss is differentiated with respect
to the weights. Both are pure functions over one step, of a batch that the task prepared (see
`rtickets.tasks.base`): `batch[task.input]` are the clean inputs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.attacks.broken import only_finite
from rtickets.attacks.search import Evaluation, Job, begin_search, repeat, run
from rtickets.errors import InputError
from rtickets.tasks import Batch, Classification, Task
from rtickets.tasks.base import Reduce, alone
from rtickets.tasks.search import Ascent, OutputsFn

CLASSIFICATION = Classification()
TrainFn = Callable[[Array], tuple[Any, Any]]
ModelFn = Callable[[Array, Any], tuple[Any, Any]]
Perturb = Callable[[OutputsFn, Batch, Array], "Perturbed"]
Inner = Callable[[OutputsFn, Batch, Array], tuple[Ascent, Job]]
Loss = Callable[..., tuple[Array, Any, Any]]
CARRIED = "carried"  # what the batch of a loss calls it


class Perturbed(NamedTuple):
    """The inputs that the loss is taken on.

    Attributes:
        inputs: like `batch[task.input]`.
        broken: bool (b,), where the search met gradients that were not finite; None where nothing
            was searched.
    """

    inputs: Array
    broken: Array | None = None


class Carry(NamedTuple):
    """What an objective takes along from step to step: a pytree of arrays.

    Leaves are of the examples, one entry for every position in the batch, or shared: the same on
    all devices, whatever their number, such as a queue of features. The loss finds them in its
    batch, by the name `CARRIED`. With micro-batches a shared leaf goes from one to the next.

    Attributes:
        start: (batch size, shape of an input) -> the first.
        add: (inputs, carried) -> the inputs that the loss is taken on, in the place of
            `Objective.perturb`; None leaves it to that.
        move: (carried, gradient of the loss with respect to those inputs) -> (the next, bool (b,):
            where entries of the gradient were not finite); it goes with `add`.
        shared: which leaves are shared: True, False or a pytree of these that the carried begins
            with, such as {'queue': True, 'delta': False}.
        follow: (carried, outputs of the loss, batch, gather) -> the next, after `move`; `gather`
            turns an array (b, ...) of this device into that of all, which is what a shared leaf may
            be made of. None leaves it as it is.
    """

    start: Callable[[int, tuple[int, ...]], Any]
    add: Callable[[Array, Any], Array] | None = None
    move: Callable[[Any, Array], tuple[Any, Array]] | None = None
    shared: Any = False
    follow: Callable[[Any, Any, Batch, Callable[[Array], Array]], Any] | None = None

    def map(
        self,
        of_examples: Callable[..., Any],
        of_shared: Callable[..., Any],
        carried: Any,
        *others: Any,
    ) -> Any:
        """Return a function of every leaf, one for those of examples and one for shared ones."""

        def below(shared: bool, *trees: Any) -> Any:
            return jax.tree.map(of_shared if shared else of_examples, *trees)

        return jax.tree.map(below, self.shared, carried, *others)


REMEMBERED = Carry(lambda *_: None, shared=True)
"""What the memory of a task holds, see `rtickets.tasks.memory`, which starts and moves it."""


class Stop(NamedTuple):
    """When an objective ends a run early, at the weights of the validation before.

    Attributes:
        name: what the run then has done, one word; results say it with the step.
        now: (score of the validation before, None at the first; score now) -> whether to stop. Of
            two scores the larger is the better, see `rtickets.tasks.Headline`.
    """

    name: str
    now: Callable[[float | None, float], bool]


class Objective(NamedTuple):
    """What a training step minimises.

    Attributes:
        perturb: (outputs_fn, batch, keys) -> `Perturbed`; keys are one per example. Where
            `outputs_fn` uses frozen normalisation statistics, examples do not see each other.
        loss: (train_fn, batch, perturbed, reduce=alone) -> (loss per example, outputs, new
            statistics), where `train_fn` maps inputs to (outputs, new statistics), `reduce` is that
            of `Task.loss`, and the outputs are those that the task counts.
        inner: (outputs_fn, batch, keys) -> the search that `perturb` runs, or None where it does
            not evaluate the network.
        carry: what it takes along from step to step, or None for nothing.
        stop: when it ends a run early, or None for never.
    """

    perturb: Perturb
    loss: Loss
    inner: Inner | None = None
    carry: Carry | None = None
    stop: Stop | None = None


def unperturbed(task: Task) -> Perturb:
    """Return the function that leaves the inputs as they are."""

    def perturb(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> Perturbed:
        del outputs_fn, keys
        return Perturbed(batch[task.input])

    return perturb


def searched(inner: Inner) -> Perturb:
    """Return the function that runs an inner maximisation to its end."""

    def perturb(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> Perturbed:
        search, job = inner(outputs_fn, batch, keys)
        state = run(search, outputs_fn, job)
        return Perturbed(jax.lax.stop_gradient(state.x_adv), state.broken)

    return perturb


def search_and_update(
    search: Ascent, job: Job, model_fn: ModelFn, stats: Any, fooled: Callable[[Any], Array]
) -> tuple[Perturbed, Any]:
    """Run an inner maximisation under batch statistics and fold them into the running ones.

    Args:
        search: the search.
        job: what is attacked.
        model_fn: (inputs, running statistics) -> (outputs, new running statistics), under the
            statistics of these inputs.
        stats: running statistics.
        fooled: outputs -> where they are wrong beyond dispute, (B,).

    Returns:
        (the result, running statistics, updated once per evaluation).
    """
    count = jnp.zeros(job.y.shape, jnp.int32)

    def body(index: Array | int, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        state, stats = carried

        def total(x: Array) -> tuple[Array, tuple[Array, Array, Any]]:
            outputs, updated = model_fn(x, stats)
            outputs = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outputs)
            losses = search.measure(outputs, job.y, job.target, count + index)
            return losses.sum(), (losses, fooled(outputs), updated)

        gradient, (losses, wrong, updated) = jax.grad(total, has_aux=True)(state.x)
        gradient, broken = only_finite(gradient)
        found = Evaluation(losses, gradient, wrong, broken)
        return search.move(job, state, found, count + index), updated

    state, stats = repeat(body, search.evaluations, (begin_search(search, job), stats))
    found = Perturbed(jax.lax.stop_gradient(state.x_adv), state.broken)
    return found, jax.lax.stop_gradient(stats)


def on_perturbed(task: Task) -> Loss:
    """Return the task's loss on the perturbed inputs."""

    def loss(
        train_fn: TrainFn, batch: Batch, perturbed: Array, reduce: Reduce = alone
    ) -> tuple[Array, Any, Any]:
        outputs, stats = train_fn(perturbed)
        return task.loss(outputs, batch, reduce), outputs, stats

    return loss


def refusal(name: str, needs: str, task: Task) -> InputError:
    """Return the error of an objective that needs what a task has not, saying what."""
    return InputError(
        f"objective {name!r} {needs}, and {type(task).__name__} has none; choose another "
        "objective.name, such as 'natural' or 'pgd'"
    )


def clean_and_perturbed(train_fn: TrainFn, images: Array, perturbed: Array) -> tuple[Any, Any, Any]:
    """Evaluate clean and perturbed inputs in two passes, each under its own batch's statistics.

    Returns:
        (clean outputs, perturbed outputs, the mean of the statistics that the passes return).
    """
    clean, clean_stats = train_fn(images)
    outputs, stats = train_fn(perturbed)
    return clean, outputs, jax.tree.map(lambda a, b: (a + b) / 2, clean_stats, stats)
