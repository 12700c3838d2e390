"""Objectives: what a training step minimises, one file each.

What one is made of is in `rtickets.training.objectives.base`, what it is to a configuration in
`rtickets.training.objectives.settings`.
"""

from rtickets.training.objectives.base import (
    Carry,
    Objective,
    Perturbed,
    TrainFn,
    search_and_update,
)
from rtickets.training.objectives.fast import fast
from rtickets.training.objectives.free import free
from rtickets.training.objectives.gaussian import gaussian
from rtickets.training.objectives.mart import mart
from rtickets.training.objectives.natural import natural
from rtickets.training.objectives.pgd import Adversarial, adversarial
from rtickets.training.objectives.registry import OBJECTIVES
from rtickets.training.objectives.settings import ObjectiveConfig, make_objective
from rtickets.training.objectives.trades import trades

__all__ = [
    "OBJECTIVES",
    "Adversarial",
    "Carry",
    "Objective",
    "ObjectiveConfig",
    "Perturbed",
    "TrainFn",
    "adversarial",
    "fast",
    "free",
    "gaussian",
    "make_objective",
    "mart",
    "natural",
    "search_and_update",
    "trades",
]
