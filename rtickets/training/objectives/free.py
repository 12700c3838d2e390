"""Free adversarial training: the gradient that trains the weights also moves the perturbation."""

import jax.numpy as jnp
from jax import Array

from rtickets.attacks.broken import only_finite
from rtickets.attacks.projections import Norm, l2_norm, unit_direction
from rtickets.attacks.radii import check_radius, check_step
from rtickets.errors import InputError
from rtickets.tasks import Task
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Carry,
    Objective,
    on_perturbed,
    unperturbed,
)


def free(
    task: Task = CLASSIFICATION,
    *,
    eps: float,
    step_size: float | None = None,
    norm: Norm = "linf",
) -> Objective:
    """Return the loss under a carried perturbation (Shafahi et al. 2019, algorithm 1).

    Every batch is to be trained on several times in a row. The perturbation starts from zero at the
    first step of a run, is moved by every step's gradient, and is carried over to the next replay
    and to the next batch: the image at a position of the whole batch inherits the perturbation of
    the one before, on any number of devices. As in the paper it is kept in the ball, but not in the
    range of the image that it happens to be added to; the sum is clipped to [0, 1].

    Args:
        task: what the network is asked to do.
        eps: radius in pixel units.
        step_size: length of a step of the perturbation; None is eps, the published choice.
        norm: 'linf' or 'l2'.

    Returns:
        The objective.

    Raises:
        InputError: for another norm, and for a radius or step that cannot be.
    """
    if norm not in ("linf", "l2"):
        raise InputError(f"norm={norm!r} is not for free training; choose 'linf' or 'l2'")
    step = eps if step_size is None else step_size
    check_radius(eps, norm)
    check_step(step, eps, norm)

    def start(batch_size: int, shape: tuple[int, ...]) -> Array:
        return jnp.zeros((batch_size, *shape), jnp.float32)

    def add(images: Array, perturbation: Array) -> Array:
        return jnp.clip(images + perturbation, 0, 1)

    def move(perturbation: Array, gradient: Array) -> Array:
        gradient, _ = only_finite(gradient)
        moved = perturbation + step * unit_direction(gradient, norm)
        if norm == "linf":
            return jnp.clip(moved, -eps, eps)
        length = l2_norm(moved)
        return moved * jnp.minimum(1, eps / jnp.where(length > 0, length, 1))

    return Objective(unperturbed(task), on_perturbed(task), carry=Carry(start, add, move))
