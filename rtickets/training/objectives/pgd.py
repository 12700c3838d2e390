"""Adversarial training: the loss of PGD examples.

Objectives that attack have these settings in common: `eps` and `step_size`, in pixel units of
`norm`, see `rtickets.attacks`, and of the inner maximisation `num_steps`; whether it has a
`random_start`, uniform in the ball; what it maximises (`loss`) and how it steps (`rule`), see
`rtickets.attacks.pgd`; and whether it returns the `best` image of all that it visited, instead of
the last. They raise InputError for a radius or step that cannot be.
"""

from typing import Any, Literal

from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.attacks import Norm
from rtickets.attacks.losses import LossName
from rtickets.attacks.pgd import Rule
from rtickets.attacks.radii import check_radius, check_step
from rtickets.attacks.search import Job
from rtickets.settings.kinds import STRICT
from rtickets.tasks import Batch, Task
from rtickets.tasks.search import Ascent, OutputsFn, make_job, make_pgd
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Inner,
    Objective,
    on_perturbed,
    searched,
)
from rtickets.training.objectives.settings import Searched


def adversarial(
    task: Task = CLASSIFICATION,
    *,
    eps: float,
    step_size: float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    loss: LossName = "ce",
    rule: Rule = "steepest",
    best: bool = False,
) -> Objective:
    """Return the task's loss on PGD examples (Madry et al. 2018, eq. 2.1)."""
    inner = pgd_inner(
        task, eps, step_size, norm=norm, num_steps=num_steps, random_start=random_start, loss=loss,
        rule=rule, best=best,
    )  # fmt: skip
    return Objective(searched(inner), on_perturbed(task), inner)


def pgd_inner(task: Task, eps: float, step_size: float, *, norm: Norm, **settings: Any) -> Inner:
    """Return the function that an objective makes its inner maximisation by PGD with."""
    check_radius(eps, norm)
    check_step(step_size, eps, norm)

    def inner(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> tuple[Ascent, Job]:
        del outputs_fn
        search = make_pgd(task, batch, norm=norm, **settings)
        return search, make_job(task, batch, keys, eps, step_size)

    return inner


@dataclass(frozen=True, config=STRICT)
class Adversarial(Searched):
    """The loss on adversarial examples (Madry et al. 2018)."""

    name: Literal["pgd"] = "pgd"

    def make(self, task: Task) -> Objective:
        """Return `adversarial`."""
        return adversarial(task, **self.attack.as_pgd())
