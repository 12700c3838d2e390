"""Objectives: what a training step minimises.

An objective is a pair of pure functions. `perturb` makes the images that the loss is taken on and
is never differentiated through; `loss` is differentiated with respect to the weights.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax import Array

from rtickets.attacks import LogitsFn, Norm, pgd
from rtickets.attacks.losses import LossName
from rtickets.attacks.pgd import Rule

TrainFn = Callable[[Array], tuple[Array, Any]]


class Objective(NamedTuple):
    """What a training step minimises.

    Attributes:
        perturb: (logits_fn, images, labels, keys) -> images. `logits_fn` uses frozen normalisation
            statistics, so examples do not see each other; keys are one per example.
        loss: (train_fn, images, perturbed, labels) -> (loss per example, logits, new statistics),
            where `train_fn` maps images to (logits, new statistics).
    """

    perturb: Callable[[LogitsFn, Array, Array, Array], Array]
    loss: Callable[[TrainFn, Array, Array, Array], tuple[Array, Array, Any]]


def _cross_entropy(
    train_fn: TrainFn, images: Array, perturbed: Array, labels: Array
) -> tuple[Array, Array, Any]:
    del images
    logits, stats = train_fn(perturbed)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels), logits, stats


def natural() -> Objective:
    """Return plain cross-entropy on the images as they are."""
    return Objective(lambda logits_fn, images, labels, keys: images, _cross_entropy)


def gaussian(sigma: float) -> Objective:
    """Return cross-entropy on images with Gaussian noise (Cohen et al. 2019, section 3.3).

    The noise takes images outside [0, 1], as it does when the network is smoothed.

    Args:
        sigma: standard deviation of the noise in pixel units.

    Returns:
        The objective.
    """

    def perturb(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> Array:
        del logits_fn, labels
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
        return images + sigma * noise

    return Objective(perturb, _cross_entropy)


def adversarial(
    *,
    eps: float,
    step_size: float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    loss: LossName = "ce",
    rule: Rule = "steepest",
) -> Objective:
    """Return cross-entropy on PGD examples (Madry et al. 2018, eq. 2.1).

    Args:
        eps: radius in pixel units.
        step_size: step of the inner maximisation.
        num_steps: its number of steps.
        norm: 'linf', 'l2' or 'l1'.
        random_start: start the maximisation from a uniform point of the ball.
        loss: what the maximisation maximises, see `rtickets.attacks.pgd`.
        rule: how it steps, likewise.

    Returns:
        The objective.
    """

    def perturb(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> Array:
        return pgd(
            logits_fn,
            images,
            labels,
            keys,
            eps=eps,
            step_size=step_size,
            num_steps=num_steps,
            norm=norm,
            random_start=random_start,
            loss=loss,
            rule=rule,
        )

    return Objective(perturb, _cross_entropy)
