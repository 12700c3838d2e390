"""The objective that a configuration describes, on a task."""

from rtickets.tasks import Task
from rtickets.training.objectives.adversarial import adversarial
from rtickets.training.objectives.base import CLASSIFICATION, Objective
from rtickets.training.objectives.fast import fast
from rtickets.training.objectives.free import free
from rtickets.training.objectives.mart import mart
from rtickets.training.objectives.natural import gaussian, natural
from rtickets.training.objectives.trades import trades
from rtickets.training.settings import ObjectiveConfig


def make_objective(config: ObjectiveConfig, task: Task = CLASSIFICATION) -> Objective:
    """Return the objective of a configuration.

    Args:
        config: how inputs are changed before the loss.
        task: whose loss it is.

    Returns:
        The objective.

    Raises:
        InputError: if the task has not what the objective needs.
    """
    task = task.smoothed(config.label_smoothing) if config.label_smoothing else task
    attack = config.attack
    if config.name == "natural":
        return natural(task)
    if config.name == "gaussian":
        return gaussian(config.sigma, task)
    eps, step_size, norm = attack.eps, attack.step, attack.norm
    if config.name == "fast":
        return fast(task, eps=eps, step_size=step_size, norm=norm, collapse=config.collapse)
    if config.name == "free":
        return free(task, eps=eps, step_size=step_size, norm=norm)
    if config.name == "trades":
        return trades(
            task, eps=eps, step_size=step_size, num_steps=attack.steps, norm=norm,
            beta=config.kl_weight,
        )  # fmt: skip
    if config.name == "mart":
        return mart(task, **attack.as_pgd(), beta=config.kl_weight)
    return adversarial(task, **attack.as_pgd())
