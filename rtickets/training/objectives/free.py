"""Free adversarial training: the gradient that trains the weights also moves the perturbation."""

from collections.abc import Iterator
from dataclasses import field
from typing import Literal

import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.attacks.broken import only_finite
from rtickets.attacks.pgd_settings import FgsmSettings
from rtickets.attacks.projections import Norm, l2_norm, unit_direction
from rtickets.attacks.radii import check_radius, check_step
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Task
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Carry,
    Objective,
    on_perturbed,
    unperturbed,
)
from rtickets.training.objectives.settings import OneStep


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
        step_size: length of a step of the perturbation; None is eps, the published choice.
        norm: 'linf' or 'l2'.

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

    def move(perturbation: Array, gradient: Array) -> tuple[Array, Array]:
        gradient, broken = only_finite(gradient)
        moved = perturbation + step * unit_direction(gradient, norm)
        if norm == "linf":
            return jnp.clip(moved, -eps, eps), broken
        length = l2_norm(moved)
        return moved * jnp.minimum(1, eps / jnp.where(length > 0, length, 1)), broken

    return Objective(unperturbed(task), on_perturbed(task), carry=Carry(start, add, move))


@dataclass(frozen=True, config=STRICT)
class Free(OneStep):
    """The loss under a perturbation that every step's own gradient moves (Shafahi et al. 2019).

    Attributes:
        attack: the step of the perturbation; it is always 'fgsm'.
        replays: steps that see a batch, in a row; a run of any duration takes as many steps as with
            other objectives, so it sees 1 / replays of their batches.
    """

    name: Literal["free"] = "free"
    attack: FgsmSettings = field(default_factory=FgsmSettings)
    replays: Positive = 4

    def make(self, task: Task) -> Objective:
        """Return `free`."""
        attack = self.attack
        return free(task, eps=attack.eps, step_size=attack.step, norm=attack.norm)

    @property
    def batch_replays(self) -> int:
        """The replays."""
        return self.replays

    @property
    def search_passes(self) -> float:
        """The gradient to the images comes with that to the weights."""
        return 1.0

    def problems(self) -> Iterator[str]:
        """Yield that there is no such step."""
        if self.attack.norm == "l1":
            yield "objective 'free' takes attack.norm 'linf' or 'l2', not 'l1'"
        yield from super().problems()
