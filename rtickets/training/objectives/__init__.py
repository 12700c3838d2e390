"""Objectives: what a training step minimises, one file a family."""

from rtickets.training.objectives.adversarial import adversarial
from rtickets.training.objectives.base import Carry, Objective, TrainFn, search_and_update
from rtickets.training.objectives.choose import make_objective
from rtickets.training.objectives.fast import fast
from rtickets.training.objectives.free import free
from rtickets.training.objectives.mart import mart
from rtickets.training.objectives.natural import gaussian, natural
from rtickets.training.objectives.trades import trades

__all__ = [
    "Carry",
    "Objective",
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
