"""The objective that a configuration describes."""

from rtickets.training.objectives.adversarial import adversarial
from rtickets.training.objectives.base import Objective
from rtickets.training.objectives.fast import fast
from rtickets.training.objectives.free import free
from rtickets.training.objectives.mart import mart
from rtickets.training.objectives.natural import gaussian, natural
from rtickets.training.objectives.trades import trades
from rtickets.training.settings import ObjectiveConfig


def make_objective(config: ObjectiveConfig) -> Objective:
    """Return the objective of a configuration."""
    smoothing, attack = config.label_smoothing, config.attack
    if config.name == "natural":
        return natural(label_smoothing=smoothing)
    if config.name == "gaussian":
        return gaussian(config.sigma, label_smoothing=smoothing)
    eps, step_size, norm = attack.eps, attack.step, attack.norm
    if config.name == "fast":
        return fast(eps=eps, step_size=step_size, norm=norm, label_smoothing=smoothing)
    if config.name == "free":
        return free(eps=eps, step_size=step_size, norm=norm, label_smoothing=smoothing)
    if config.name == "trades":
        return trades(
            eps=eps, step_size=step_size, num_steps=attack.steps, norm=norm, beta=config.kl_weight,
            label_smoothing=smoothing,
        )  # fmt: skip
    if config.name == "mart":
        return mart(**attack.as_pgd(), beta=config.kl_weight, label_smoothing=smoothing)
    return adversarial(**attack.as_pgd(), label_smoothing=smoothing)
