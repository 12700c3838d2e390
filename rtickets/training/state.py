"""What a run is, what it changes, and what it adds up."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from rtickets import masks
from rtickets.masks import Mask, Params
from rtickets.platform.short_repr import with_short_repr
from rtickets.tasks import Sums
from rtickets.training import averaging
from rtickets.training.averaging import Average
from rtickets.training.masked_update import make_optimizer
from rtickets.training.objectives import make_objective
from rtickets.training.program import Program, split_trainable, weights_of


@with_short_repr
class TrainState(NamedTuple):
    """Everything a run changes, the same on every device.

    Attributes:
        step: int32 scalar, number of steps done.
        params: float32 weights, zero where pruned unless the program keeps masked ones.
        batch_stats: float32 normalisation statistics.
        opt_state: state of the optimiser over the trained parameters.
        average: running average of the trained parameters, or None.
        carry: what the objective takes along from step to step, a pytree of arrays as its `Carry`
            declares: of the positions of the whole batch, gathered from all devices after every
            step, or shared; else the state of the task's memory, see `rtickets.tasks.memory`; or
            None.
        search: what a search for an architecture goes by, see `rtickets.training.sparse_scales`; or
            None.
    """

    step: Array
    params: Params
    batch_stats: Any
    opt_state: Any
    average: Average | None = None
    carry: Any = None
    search: Any = None


class RunData(NamedTuple):
    """What tells one run from another under the same program.

    Attributes:
        key: typed PRNG key of the run.
        learning_rate: float32 scalar, the peak.
    """

    key: Array
    learning_rate: Array


class Totals(NamedTuple):
    """Sums over the examples of one or more steps.

    Attributes:
        loss: float32 sum of the loss.
        sums: what the task counts, of inputs as the objective changes them; by name.
        examples: int32 number of examples.
        broken: int32 number of examples whose attack met gradients that were not finite; entries
            that were not were taken as 0.
    """

    loss: Array
    sums: Sums
    examples: Array
    broken: Array


def init_state(program: Program, params: Params, batch_stats: Any, mask: Mask) -> TrainState:
    """Return the state at step 0: masked weights and a fresh optimiser."""
    if program.masked == "zero":
        params = masks.apply(mask, params)
    trained, _ = split_trainable(params, program.trainable)
    opt_state = make_optimizer(program.optimizer).init(trained)
    average = averaging.start(program.averaging, trained, batch_stats)
    carry, carried = None, make_objective(program.objective, program.task).carry
    if (memory := program.task.memory) is not None:
        carry = memory.start(weights_of(program.learned_mask, params), batch_stats)
    elif carried is not None:
        assert program.input_shape is not None  # who builds the program knows it
        carry = carried.start(program.batch_size, program.input_shape)
    step = jnp.zeros((), jnp.int32)
    return TrainState(step, params, batch_stats, opt_state, average, carry)


def selected(state: TrainState) -> tuple[Params, Any]:
    """Return the (parameters, normalisation statistics) to validate and keep: averages if any."""
    if state.average is None:
        return state.params, state.batch_stats
    return {**state.params, **state.average.params}, state.average.batch_stats
