"""Work counted in forward passes.

A backward pass to the weights takes two of them, one to the images alone takes one.
"""

from rtickets.attacks import autoattack_members
from rtickets.config import AttackConfig, ObjectiveConfig

WEIGHT_GRADIENT, IMAGE_GRADIENT = 3, 2  # forward passes, with that of the loss


def passes_per_step(objective: ObjectiveConfig, trainable: str = "all") -> float:
    """Return how many forward passes a training step takes per image.

    Args:
        objective: what is minimised.
        trainable: 'all' weights or the 'head'.

    Returns:
        The number: those of the loss and its gradient, and of the inner maximisation.
    """
    outer = float(WEIGHT_GRADIENT if trainable == "all" else 1)
    if objective.name in ("trades", "mart"):  # clean and adversarial images
        outer *= 2
    if objective.name == "free":  # the gradient to the images comes with that to the weights
        return outer + 1
    inner = objective.name in ("pgd", "fast", "trades", "mart")
    evaluations = objective.attack.steps + objective.attack.best if inner else 0
    return outer + IMAGE_GRADIENT * evaluations


def passes_of_attack(config: AttackConfig) -> float:
    """Return at most how many forward passes an attack takes per image, over all its radii."""
    radii = len({config.eps, *config.radii})
    if config.name == "autoattack":
        members = autoattack_members(config.version, config.norm)
        work = [_work(m.kind, m.num_steps * m.restarts * (m.num_targets or 1)) for m in members]
        return radii * sum(work)
    targets = config.num_targets if config.name in ("apgd_t", "fab_t") else 1
    return radii * _work(config.name, config.steps * config.restarts * targets)


def _work(attack: str, steps: int) -> float:
    return steps * (1.0 if attack == "square" else IMAGE_GRADIENT)
