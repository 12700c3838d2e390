"""Objectives: what a training step minimises, one file a family."""

from rtickets.objectives.adversarial import adversarial
from rtickets.objectives.base import Carry, Objective, TrainFn, search_and_update
from rtickets.objectives.choose import make_objective
from rtickets.objectives.fast import fast
from rtickets.objectives.free import free
from rtickets.objectives.mart import mart
from rtickets.objectives.natural import gaussian, natural
from rtickets.objectives.trades import trades

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
