"""Adversarial training: cross-entropy on PGD examples."""

from jax import Array

from rtickets.attacks import LogitsFn, Norm
from rtickets.attacks.losses import LossName
from rtickets.attacks.pgd import Pgd, Rule
from rtickets.attacks.radii import check_radius, check_step
from rtickets.attacks.search import Job
from rtickets.training.objectives.base import (
    Ascent,
    Inner,
    Objective,
    make_job,
    on_perturbed,
    searched,
)


def adversarial(
    *,
    eps: float,
    step_size: float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    loss: LossName = "ce",
    rule: Rule = "steepest",
    best: bool = False,
    label_smoothing: float = 0.0,
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
        best: it returns the worst image of all that it visited, instead of the last.
        label_smoothing: part of the outer loss's target that is spread evenly over all classes.

    Returns:
        The objective.
    """
    search = Pgd(norm, num_steps, random_start, loss, rule=rule, best=best)
    inner = pgd_inner(search, eps, step_size)
    return Objective(searched(inner), on_perturbed(label_smoothing), inner)


def pgd_inner(search: Pgd, eps: float, step_size: float) -> Inner:
    """Return the inner maximisation by PGD.

    Args:
        search: its settings.
        eps: radius in pixel units.
        step_size: length of a step.

    Returns:
        The function that an objective makes its search with.

    Raises:
        InputError: for a radius or step that cannot be.
    """
    check_radius(eps, search.norm)
    check_step(step_size, eps, search.norm)

    def inner(logits_fn: LogitsFn, images: Array, labels: Array, keys: Array) -> tuple[Ascent, Job]:
        del logits_fn
        return search, make_job(images, labels, keys, eps, step_size)

    return inner
