"""Optimisers: one file each, see `rtickets.training.optimizers.base`."""

from rtickets.training.optimizers.adam import Adam
from rtickets.training.optimizers.adamw import AdamW
from rtickets.training.optimizers.base import OptimizerConfig
from rtickets.training.optimizers.lars import Lars
from rtickets.training.optimizers.registry import OPTIMIZERS
from rtickets.training.optimizers.rmsprop import RmsProp
from rtickets.training.optimizers.sgd import Sgd

__all__ = ["OPTIMIZERS", "Adam", "AdamW", "Lars", "OptimizerConfig", "RmsProp", "Sgd"]
