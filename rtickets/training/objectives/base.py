"""What an objective is made of.

An objective makes the images that the loss is taken on and is never differentiated through there;
its loss is differentiated with respect to the weights. Both are pure functions over one step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets.attacks import LogitsFn
from rtickets.attacks.broken import only_finite
from rtickets.attacks.search import (
    Evaluation,
    Job,
    Search,
    begin_search,
    is_fooled,
    repeat,
    run,
)

TrainFn = Callable[[Array], tuple[Array, Any]]
ModelFn = Callable[[Array, Any], tuple[Array, Any]]
Perturb = Callable[[LogitsFn, Array, Array, Array], Array]
Inner = Callable[[LogitsFn, Array, Array, Array], tuple["Ascent", Job]]
Loss = Callable[[TrainFn, Array, Array, Array], tuple[Array, Array, Any]]


class Ascent(Search, Protocol):
    """A search that evaluates the images `x` of its state once a step."""

    def measure(self, logits: Array, y: Array, target: Array) -> Array:
        """Return what is maximised, float32 (B,)."""
        ...

    def move(self, job: Job, state: Any, found: Evaluation, count: Array) -> Any:
        """Return the state after an evaluation, the `count`-th from 0."""
        ...


class Carry(NamedTuple):
    """A perturbation that lives on from step to step, one per position in the batch.

    Attributes:
        add: (images, perturbation) -> the images that the loss is taken on.
        move: (perturbation, gradient of the loss with respect to those images) -> the perturbation
            of the next step.
    """

    add: Callable[[Array, Array], Array]
    move: Callable[[Array, Array], Array]


class Objective(NamedTuple):
    """What a training step minimises.

    Attributes:
        perturb: (logits_fn, images, labels, keys) -> images; keys are one per example. Where
            `logits_fn` uses frozen normalisation statistics, examples do not see each other.
        loss: (train_fn, images, perturbed, labels) -> (loss per example, logits, new statistics),
            where `train_fn` maps images to (logits, new statistics).
        inner: (logits_fn, images, labels, keys) -> the search that `perturb` runs, or None where it
            does not evaluate the network.
        carry: a perturbation that is moved by the gradient of the loss itself, or None.
    """

    perturb: Perturb
    loss: Loss
    inner: Inner | None = None
    carry: Carry | None = None


def unperturbed(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> Array:
    """Return the images as they are."""
    del logits_fn, labels, keys
    return images


def searched(inner: Inner) -> Perturb:
    """Return the function that runs an inner maximisation to its end."""

    def perturb(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> Array:
        search, job = inner(logits_fn, images, labels, keys)
        return jax.lax.stop_gradient(run(search, logits_fn, job).x_adv)

    return perturb


def search_and_update(search: Ascent, job: Job, model_fn: ModelFn, stats: Any) -> tuple[Array, Any]:
    """Run an inner maximisation under batch statistics and fold them into the running ones.

    Args:
        search: the search.
        job: what is attacked.
        model_fn: (images, running statistics) -> (logits, new running statistics), under the
            statistics of these images.
        stats: running statistics.

    Returns:
        (perturbed images, running statistics, updated once per evaluation).
    """
    count = jnp.zeros(job.y.shape, jnp.int32)

    def body(index: Array | int, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        state, stats = carried

        def total(x: Array) -> tuple[Array, tuple[Array, Array, Any]]:
            logits, updated = model_fn(x, stats)
            losses = search.measure(logits.astype(jnp.float32), job.y, job.target)
            return losses.sum(), (losses, is_fooled(logits, job.y), updated)

        gradient, (losses, fooled, updated) = jax.grad(total, has_aux=True)(state.x)
        gradient, broken = only_finite(gradient)
        found = Evaluation(losses, gradient, fooled, broken)
        return search.move(job, state, found, count + index), updated

    state, stats = repeat(body, search.evaluations, (begin_search(search, job), stats))
    return jax.lax.stop_gradient((state.x_adv, stats))


def make_job(
    images: Array, labels: Array, keys: Array, eps: float, step_size: float, target: Any = None
) -> Job:
    """Return what is attacked, with the same radius and step for every example."""
    radius = jnp.full(labels.shape, eps, jnp.float32)
    step = jnp.full(labels.shape, step_size, jnp.float32)
    labels = labels.astype(jnp.int32)
    return Job(images, labels, labels if target is None else target, keys, radius, step)


def cross_entropy(logits: Array, labels: Array, smoothing: float) -> Array:
    """Return the cross-entropy of every example.

    Args:
        logits: float32 (B, classes).
        labels: int32 (B,).
        smoothing: part of the target that is spread evenly over all classes (Szegedy et al. 2016,
            section 7).

    Returns:
        float32 (B,).
    """
    if not smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def on_perturbed(smoothing: float) -> Loss:
    """Return cross-entropy on the perturbed images."""

    def loss(
        train_fn: TrainFn, images: Array, perturbed: Array, labels: Array
    ) -> tuple[Array, Array, Any]:
        del images
        logits, stats = train_fn(perturbed)
        return cross_entropy(logits, labels, smoothing), logits, stats

    return loss


def kl_divergence(logits: Array, reference: Array) -> Array:
    """Return KL(reference || prediction) of every example.

    Args:
        logits: of the prediction, float32 (B, classes).
        reference: logits of the reference, likewise.

    Returns:
        float32 (B,), in nats.
    """
    log_p = jax.nn.log_softmax(reference)
    return jnp.sum(jnp.exp(log_p) * (log_p - jax.nn.log_softmax(logits)), -1)


def clean_and_perturbed(
    train_fn: TrainFn, images: Array, perturbed: Array
) -> tuple[Array, Array, Any]:
    """Evaluate clean and perturbed images in two passes, each under its own batch's statistics.

    Args:
        train_fn: maps images to (logits, new statistics).
        images: (B, H, W, C).
        perturbed: likewise.

    Returns:
        (clean logits, perturbed logits, the mean of the statistics that the passes return).
    """
    clean, clean_stats = train_fn(images)
    logits, stats = train_fn(perturbed)
    return clean, logits, jax.tree.map(lambda a, b: (a + b) / 2, clean_stats, stats)
