"""One step of training on one device's part of the batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rtickets import masks, models
from rtickets.attacks.search import repeat
from rtickets.masks import Mask
from rtickets.masks.gates import SCORES
from rtickets.platform import parallel
from rtickets.tasks import Batch
from rtickets.training import averaging, schedules
from rtickets.training.masked_update import update
from rtickets.training.objectives import make_objective
from rtickets.training.passes import Part, StepNetwork, Sums, gradients, make_network
from rtickets.training.program import Program, split_trainable, without_scores
from rtickets.training.sparse_scales import add_penalty
from rtickets.training.state import RunData, Totals, TrainState

_GATES = 2**32 - 1  # no step has this number, whose key would be the same


def train_step(
    program: Program, state: TrainState, mask: Mask, run: RunData, raw: Batch
) -> tuple[TrainState, Totals]:
    """Take one step on this device's part of the batch; needs the axis `parallel.AXIS`.

    The masked weights are made once and shared by all passes; the objective's inner passes are
    differentiated with respect to the images only. Keys, and what is carried over from step to
    step, belong to positions in the whole batch, and devices share every micro-batch, so that their
    number does not change what is computed.

    Args:
        raw: stored examples, arrays (B / D, ...) as `parallel.shard` splits the batch into
            micro-batches.

    Returns:
        (new state, totals over the whole batch), the same on every device.
    """
    gate_key = jax.random.fold_in(jax.random.fold_in(run.key, _GATES), state.step)
    network = make_network(program, masks.apply(mask, state.params), gate_key)
    state = state._replace(carry=_advanced(network, state.carry, mask))
    sums = _accumulate(network, state, _make_part(program, state, run, raw))
    # Gradients are of sums over examples, so they add up; statistics are means, of equal parts.
    found, totals = parallel.total((sums.gradients, sums.totals))
    if network.penalty is not None:
        penalty, slope = network.penalty
        totals = totals._replace(loss=totals.loss + program.batch_size * penalty)
        found = {**found, SCORES: jax.tree.map(jnp.add, found[SCORES], slope)}
    batch_stats = parallel.mean(sums.batch_stats)
    schedule = schedules.multiplier(program.optimizer, program.total_steps, program.steps_per_epoch)
    rate = run.learning_rate * schedule(state.step)
    stored = network.trained
    if program.masked != "zero":
        stored, _ = split_trainable(state.params, program.trainable)
    if state.search is not None:
        penalty, found = add_penalty(
            state.search.weights, network.trained, found, state.step, program.penalty_warmup
        )
        totals = totals._replace(loss=totals.loss + program.batch_size * penalty)
    trained_mask, _ = split_trainable(mask, program.trainable)
    trained, opt_state = update(program, state.opt_state, stored, trained_mask, found, rate)
    average = averaging.advance(program.averaging, state.average, trained, batch_stats)
    carry = _on_examples(program, lambda leaf: parallel.join(leaf, program.accumulate), sums.carry)
    params = {**network.frozen, **trained}
    after = state.step + 1, params, batch_stats, opt_state, average, carry, state.search
    state = TrainState(*after)
    return state, totals


def _advanced(network: StepNetwork, carry: Any, mask: Mask) -> Any:
    """Return what is carried at the beginning of a step, which the task's memory may look at."""
    memory = network.program.task.memory
    if memory is None:
        return carry
    weights = jax.lax.stop_gradient(network.weights(network.live))
    return memory.advance(carry, weights, without_scores(mask))


def _make_part(program: Program, state: TrainState, run: RunData, raw: Batch) -> Part:
    """Augment this device's examples, alike in every replay, and look up what they inherit."""
    step_key = jax.random.fold_in(run.key, state.step // program.objective.batch_replays)
    positions = parallel.positions(len(raw[program.task.input]), program.accumulate)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(step_key, i)))(positions)
    batch = program.task.augment(program.transform, keys[:, 0], raw)
    inherited = _on_examples(program, lambda leaf: leaf[positions], state.carry)
    draws = _draws(step_key, positions, state.step) if models.draws(program.model) else None
    return Part(batch, keys[:, 1], inherited, draws)


def _draws(key: Array, positions: Array, step: Array) -> Array:
    """Return the keys of what the network draws: others in every replay of a batch."""
    own = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(key, i), 2))(positions)
    return jax.vmap(lambda one: jax.random.fold_in(one, step))(own)


def _accumulate(network: StepNetwork, state: TrainState, part: Part) -> Sums:
    """Add up the gradients of the micro-batches, which update statistics one after the other."""
    count = network.program.accumulate
    objective = make_objective(network.program.objective, network.program.task)
    passes = partial(gradients, network, objective)
    if count == 1:
        return passes(state.batch_stats, part)

    def parts(leaf: Array) -> Array:
        return leaf.reshape(count, -1, *leaf.shape[1:])

    on_examples = partial(_on_examples, network.program)
    micro = jax.tree.map(parts, part._replace(carry=None))
    inherited = on_examples(parts, part.carry)

    def take(index: Array | int, carried: Any) -> Part:
        own = jax.tree.map(lambda leaf: leaf[index], micro)
        return own._replace(carry=on_examples(lambda leaf: leaf[index], carried))

    def body(index: Array | int, sums: Sums) -> Sums:
        found = passes(sums.batch_stats, take(index, sums.carry))
        added, totals = jax.tree.map(jnp.add, sums[:2], found[:2])
        carried = sums.carry
        if objective.carry is not None:
            # What belongs to examples goes back to their place; the rest is the last one's.
            carried = objective.carry.map(
                lambda old, new: old.at[index].set(new), lambda _, new: new, carried, found.carry
            )
        return Sums(added, totals, found.batch_stats, carried)

    # Shapes alone: a first micro-batch outside of the loop would be compiled a second time.
    one = jax.eval_shape(passes, state.batch_stats, take(0, inherited))
    zero, nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), one[:2])
    sums = repeat(body, count, Sums(zero, nothing, state.batch_stats, inherited))
    whole = on_examples(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), sums.carry)
    return sums._replace(carry=whole)


def _on_examples(program: Program, function: Callable[[Array], Array], carried: Any) -> Any:
    """Return what is carried with a function of the leaves that have a position per example."""
    carry = make_objective(program.objective, program.task).carry
    return None if carry is None else carry.map(function, lambda leaf: leaf, carried)
