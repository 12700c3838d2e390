"""The optimisers by name, the default first."""

from rtickets.training.optimizers.adam import Adam
from rtickets.training.optimizers.adamw import AdamW
from rtickets.training.optimizers.base import OptimizerConfig
from rtickets.training.optimizers.lars import Lars
from rtickets.training.optimizers.rmsprop import RmsProp
from rtickets.training.optimizers.sgd import Sgd

OPTIMIZERS: dict[str, type[OptimizerConfig]] = OptimizerConfig.entries
OPTIMIZERS |= {
    "sgd": Sgd,
    "adamw": AdamW,
    "lars": Lars,
    "adam": Adam,
    "rmsprop": RmsProp,
}
