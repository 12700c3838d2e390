"""One step of the optimiser, with pruned weights at zero or, in searches, kept."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.program import Program


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Return what makes directions of gradients; the step multiplies by the learning rate."""
    return config.transform()


def update(
    program: Program, state: Any, trained: Params, mask: Mask, gradients: Params, rate: Array
) -> tuple[Params, Any]:
    """Apply the optimiser so that the loss moves no pruned weight.

    These and their momentum stay exactly zero, unless the program keeps masked weights: then they
    are frozen, or weight decay and earlier momentum move them.

    Args:
        trained: the trained parameters, masked by their `mask`, or as they are kept.
        gradients: of the loss over the whole batch, with respect to them.
    """
    # Masked before, too: what the optimiser remembers of pruned weights must stay zero.
    updates, state = make_optimizer(program.optimizer).update(
        masks.apply(mask, gradients), state, trained
    )
    moved = jax.tree.map(lambda weight, update: weight - rate * update, trained, updates)
    if program.masked == "zero":
        return masks.apply(mask, moved), state
    if program.masked == "frozen":
        moved = jax.tree.map(jnp.where, mask, moved, trained)
    return moved, state
