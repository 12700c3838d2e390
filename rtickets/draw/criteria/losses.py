"""What scores from data are taken of: the loss of a classifier, on clean or adversarial images."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jax import Array

from rtickets.attacks import pgd
from rtickets.masks import Params

Batch = tuple[Any, ...]
LogitsOf = Callable[[Params, Array], Array]
LossFn = Callable[..., Array]
Perturb = Callable[..., Batch]

GRASP_TEMPERATURE = 200.0
"""What GraSP divides the logits by (Wang et al. 2020)."""


def cross_entropy(logits_fn: LogitsOf, temperature: float = 1.0) -> LossFn:
    """Return the loss function of a classifier.

    Args:
        logits_fn: maps (params, images) to logits (B, classes).
        temperature: divides the logits; GraSP takes `GRASP_TEMPERATURE`.

    Returns:
        (params, images, labels, ...) -> mean cross-entropy, float32; more arrays are ignored.
    """

    def loss(params: Params, x: Array, y: Array, *_: Array) -> Array:
        logits = logits_fn(params, x).astype(jnp.float32) / temperature
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    return loss


def adversarial(logits_fn: LogitsOf, **settings: Any) -> Perturb:
    """Return a `perturb` that puts PGD examples in the place of images (Madry et al. 2018).

    Args:
        logits_fn: maps (params, images) to logits (B, classes), examples on their own.
        **settings: of `rtickets.attacks.pgd`: eps, step_size, num_steps and others.

    Returns:
        (params, images, labels, keys) -> (adversarial images, labels, keys); keys are one PRNG key
        per example.
    """

    def perturb(params: Params, x: Array, y: Array, keys: Array) -> Batch:
        return pgd(lambda images: logits_fn(params, images), x, y, keys, **settings), y, keys

    return perturb
