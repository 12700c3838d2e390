"""Several steps in one call, compiled once for equal programs."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.masks import Mask
from rtickets.platform import parallel
from rtickets.tasks import Batch
from rtickets.training.program import Program
from rtickets.training.state import RunData, Totals, TrainState
from rtickets.training.step import train_step


def train_steps(
    program: Program,
    state: TrainState,
    mask: Mask,
    run: RunData,
    data: Batch,
    indices: Array,
) -> tuple[TrainState, Totals]:
    """Take several steps in one call, the data set lying on the device.

    Args:
        data: all stored examples, arrays (N, ...) by name.
        indices: int32 (S, B / D), this device's examples of S steps.

    Returns:
        (new state, totals over the S steps).
    """

    def body(state: TrainState, chosen: Array) -> tuple[TrainState, Totals]:
        raw = jax.tree.map(lambda leaf: leaf[chosen], data)
        return train_step(program, state, mask, run, raw)

    return _one_after_the_other(body, state, indices)


def train_steps_together(
    program: Program,
    states: Sequence[TrainState],
    masks: Sequence[Mask],
    runs: Sequence[RunData],
    data: Sequence[Batch],
    indices: Sequence[Array],
) -> list[tuple[TrainState, Totals]]:
    """Take the steps of several runs in one call, the ordinary step mapped over them.

    Args:
        states: one for every run, as all that follows, each as in `train_steps` and of one shape.

    Returns:
        (new state, totals over the steps) of every run.
    """
    count = range(len(states))
    mask, run = _stacked(masks), _stacked(runs)
    steps = jax.vmap(partial(train_step, program))

    def body(state: TrainState, chosen: Array) -> tuple[TrainState, Totals]:
        own = [jax.tree.map(lambda leaf, at=at: leaf[chosen[at]], data[at]) for at in count]
        return steps(state, mask, run, _stacked(own))

    found = _one_after_the_other(body, _stacked(states), jnp.stack(indices, 1))
    return [jax.tree.map(lambda leaf, at=at: leaf[at], found) for at in count]


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _one_after_the_other(
    step: Callable[[TrainState, Any], tuple[TrainState, Totals]], state: TrainState, inputs: Any
) -> tuple[TrainState, Totals]:
    """Take a step for every entry of the inputs' first axis; totals are over all of them."""
    if len(jax.tree.leaves(inputs)[0]) == 1:  # no loop: XLA:CPU is slow at convolutions in one
        return step(state, jax.tree.map(lambda leaf: leaf[0], inputs))
    state, totals = jax.lax.scan(step, state, inputs)
    return state, jax.tree.map(lambda values: values.sum(0), totals)


@lru_cache(maxsize=16)
def compiled(program: Program) -> Any:
    """Return the parallel form of `train_steps`, the same object for equal programs.

    Returns:
        (state, mask, run, data, indices (D, S, B / D)) -> (state, totals). The state's
        buffers are donated.
    """

    def steps(*arguments: Any) -> tuple[TrainState, Totals]:
        return train_steps(program, *arguments)

    in_axes = (None, None, None, None, 0)
    return parallel.parallel(steps, in_axes=in_axes, devices=program.devices, donate=(0,))


@lru_cache(maxsize=16)
def compiled_together(program: Program) -> Any:
    """Return the parallel form of `train_steps_together`, one object for equal programs.

    Returns:
        (states, masks, runs, data, indices, each a list with an entry for every run) -> a list of
        (state, totals). No buffers are donated: a run may be given twice.
    """

    def steps(*arguments: Any) -> list[tuple[TrainState, Totals]]:
        return train_steps_together(program, *arguments)

    in_axes = (None, None, None, None, 0)
    return parallel.parallel(steps, in_axes=in_axes, devices=program.devices)


@lru_cache(maxsize=16)
def compiled_batches(program: Program) -> Any:
    """Return the parallel form of training steps on given examples, one object for equal programs.

    Returns:
        (state, mask, run, examples (D, S, B / D, ...) by name) -> (state, totals). The state's
        buffers are donated.
    """

    def steps(
        state: TrainState, mask: Mask, run: RunData, examples: Batch
    ) -> tuple[TrainState, Totals]:
        def body(state: TrainState, raw: Batch) -> tuple[TrainState, Totals]:
            return train_step(program, state, mask, run, raw)

        return _one_after_the_other(body, state, examples)

    in_axes = (None, None, None, 0)
    return parallel.parallel(steps, in_axes=in_axes, devices=program.devices, donate=(0,))
