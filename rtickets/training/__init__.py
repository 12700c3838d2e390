"""The training step: a pure function that every trainer shares.

A step sees the whole run as data: weights, mask, key and learning rate are arguments, so it maps
with `vmap` over any of them, and one compiled program serves every ticket of a study.
"""

from rtickets.training.averaging import Average
from rtickets.training.dispatch import compiled, compiled_batches, train_steps
from rtickets.training.masked_update import make_optimizer
from rtickets.training.objectives import make_objective
from rtickets.training.program import (
    HEAD,
    Program,
    Trainable,
    check_batch_size,
    split_trainable,
    weights_of,
)
from rtickets.training.state import RunData, Totals, TrainState, init_state, selected
from rtickets.training.step import train_step

__all__ = [
    "HEAD",
    "Average",
    "Program",
    "RunData",
    "Totals",
    "TrainState",
    "Trainable",
    "check_batch_size",
    "compiled",
    "compiled_batches",
    "init_state",
    "make_objective",
    "make_optimizer",
    "selected",
    "split_trainable",
    "train_step",
    "train_steps",
    "weights_of",
]
