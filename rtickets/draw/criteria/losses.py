"""What scores from data are taken of: a loss, on clean or adversarial inputs.

`task_loss` and `task_adversarial` are those of any task; `cross_entropy` and `adversarial` those of
a classifier that is only a function of its weights and of images.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets.attacks import pgd
from rtickets.masks import Params
from rtickets.tasks import Task
from rtickets.tasks.search import attacked

Batch = tuple[Any, ...]
LogitsOf = Callable[[Params, Array], Array]
OutputsOf = Callable[[Params, Array], Any]
LossFn = Callable[..., Array]
Perturb = Callable[..., Batch]

GRASP_TEMPERATURE = 200.0
"""What GraSP divides the logits by (Wang et al. 2020)."""


def cross_entropy(logits_fn: LogitsOf, temperature: float = 1.0) -> LossFn:
    """Return (params, images, labels, ...) -> mean cross-entropy, float32; more arrays are ignored.

    `temperature` divides the logits; GraSP takes `GRASP_TEMPERATURE`.
    """

    def loss(params: Params, x: Array, y: Array, *_: Array) -> Array:
        logits = logits_fn(params, x).astype(jnp.float32) / temperature
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    return loss


def adversarial(logits_fn: LogitsOf, **settings: Any) -> Perturb:
    """Return a `perturb` that puts PGD examples in the place of images (Madry et al. 2018).

    It is (params, images, labels, keys) -> (adversarial images, labels, keys); keys are one PRNG
    key per example. The logits of an example depend on it alone; settings are those of
    `rtickets.attacks.pgd`.
    """

    def perturb(params: Params, x: Array, y: Array, keys: Array) -> Batch:
        return pgd(lambda images: logits_fn(params, images), x, y, keys, **settings), y, keys

    return perturb


def task_loss(task: Task, outputs_fn: OutputsOf, temperature: float = 1.0) -> LossFn:
    """Return the loss function of a task.

    Args:
        outputs_fn: maps (params, inputs) to outputs, examples first.
        temperature: divides the outputs where they are logits over classes.

    Returns:
        (params, inputs, the other arrays of the task's batch by name, ...) -> mean loss, float32;
        more arrays are ignored.
    """

    def loss(params: Params, x: Array, rest: Mapping[str, Array], *_: Array) -> Array:
        batch = {**rest, task.input: x}
        scale = temperature if task.has_classes else 1.0
        outputs = outputs_fn(params, task.seen(batch, x))
        outputs = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) / scale, outputs)
        return task.loss(outputs, batch).mean()

    return loss


def task_adversarial(task: Task, outputs_fn: OutputsOf, **settings: Any) -> Perturb:
    """Return `adversarial` for inputs of a task, the other arrays by name standing for labels."""

    def perturb(params: Params, x: Array, rest: Mapping[str, Array], keys: Array) -> Batch:
        batch = {**rest, task.input: x}

        def of(x: Array) -> Any:
            return outputs_fn(params, task.seen(batch, x))

        return attacked(task, of, batch, keys, **settings), rest, keys

    return perturb
