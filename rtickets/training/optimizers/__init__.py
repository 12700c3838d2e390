"""Optimisers: one file each, see `rtickets.training.optimizers.base`."""

from rtickets.training.optimizers.adamw import AdamW
from rtickets.training.optimizers.base import OptimizerConfig
from rtickets.training.optimizers.lars import Lars
from rtickets.training.optimizers.registry import OPTIMIZERS
from rtickets.training.optimizers.sgd import Sgd

__all__ = ["OPTIMIZERS", "AdamW", "Lars", "OptimizerConfig", "Sgd"]
