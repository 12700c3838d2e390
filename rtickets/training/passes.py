"""The passes of a step over one part of the batch: the attack, then the loss and its gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rtickets import models
from rtickets.attacks.search import Job
from rtickets.masks import Params
from rtickets.masks.gates import SCORES, apply_gates, gates_of, penalty_of
from rtickets.platform import parallel
from rtickets.tasks import Batch
from rtickets.tasks.search import Ascent, OutputsFn, on_all_devices
from rtickets.tasks.whole import over_devices
from rtickets.training.objectives import Objective, Perturbed, search_and_update
from rtickets.training.objectives.base import CARRIED, searched
from rtickets.training.program import Program, split_trainable, without_scores
from rtickets.training.state import Totals


class Part(NamedTuple):
    """This device's examples of a batch or of a micro-batch.

    Attributes:
        batch: as the task augments it, arrays (b, ...).
        keys: PRNG keys of the attack (b,).
        carry: what the objective takes over from the step before, or None.
        draws: PRNG keys (b,) of what the network draws, the same in all passes; None if nothing.
    """

    batch: Batch
    keys: Array
    carry: Any
    draws: Array | None


class Sums(NamedTuple):
    """What the passes leave.

    Attributes:
        gradients: of the sum of losses over the whole batch size, in the trained parameters.
        totals: of the examples.
        batch_stats: running statistics.
        carry: for the next step, or None.
    """

    gradients: Params
    totals: Totals
    batch_stats: Any
    carry: Any


class StepNetwork(NamedTuple):
    """The network of a step; masked weights and gates are made once and shared by all passes.

    Attributes:
        program: what is compiled.
        model: the network.
        trained: the trained parameters.
        frozen: the others.
        live: what passes differentiate with respect to: the trained parameters, with gates in the
            place of scores.
        pull: gradients with respect to `live` -> those with respect to `trained`.
        penalty: (what scores add to the mean loss, its gradient in them), or None without scores.
    """

    program: Program
    model: models.Model
    trained: Params
    frozen: Params
    live: Params
    pull: Callable[[Params], Params]
    penalty: tuple[Array, Params] | None

    def weights(self, live: Params) -> Params:
        """Return the weights, as a function of `live`."""
        parts, learned = {**self.frozen, **live}, self.program.learned_mask
        if learned is None:
            return parts
        return apply_gates(learned, without_scores(parts), parts[SCORES])


def make_network(program: Program, params: Params, key: Array) -> StepNetwork:
    """Return the network of masked parameters.

    Args:
        program: what is compiled.
        params: parameters, masked.
        key: PRNG key of the gates, the same on all devices.

    Returns:
        The network.
    """
    model = program.model
    if hasattr(model, "axis_name"):  # it normalises by statistics of the batch
        model = model.clone(axis_name=parallel.AXIS if program.sync_statistics else None)
    trained, frozen = split_trainable(params, program.trainable)
    if program.learned_mask is None:
        return StepNetwork(program, model, trained, frozen, trained, lambda found: found, None)
    learned, weights = program.learned_mask, without_scores(params)
    of_gates = partial(gates_of, learned, weights, key=key)
    gates, pull_gates = jax.vjp(of_gates, params[SCORES])
    penalty = jax.value_and_grad(partial(penalty_of, learned, weights))(params[SCORES])

    def pull(found: Params) -> Params:
        return {**found, SCORES: pull_gates(found[SCORES])[0]}

    live = {**trained, SCORES: gates}
    return StepNetwork(program, model, trained, frozen, live, pull, penalty)


def gradients(network: StepNetwork, objective: Objective, batch_stats: Any, part: Part) -> Sums:
    """Attack some examples and differentiate the loss with respect to the trained parameters.

    Args:
        network: the network.
        objective: what is minimised.
        batch_stats: running statistics.
        part: the examples.

    Returns:
        Sums over these examples.
    """
    part = _recalled(network, part)
    perturbed, attacked_stats = _perturb(network, objective, batch_stats, part)
    carried = objective.carry if network.program.task.memory is None else None
    batch = part.batch if carried is None else {**part.batch, CARRIED: part.carry}

    def loss_fn(live: Params, inputs: Array) -> tuple[Array, tuple[Totals, Any, Any]]:
        whole = network.weights(live)

        def train_fn(x: Array) -> tuple[Array, Any]:
            seen = network.program.task.seen(part.batch, x)
            if network.program.statistics == "frozen":
                return models.apply(network.model, whole, attacked_stats, seen)
            draws = _draws_of(seen, part.draws)
            return models.apply(network.model, whole, attacked_stats, seen, True, draws)

        losses, outputs, stats = objective.loss(train_fn, batch, inputs, over_devices)
        counted = network.program.task.sums(outputs, part.batch)
        totals = Totals(losses.sum(), counted, jnp.int32(len(losses)), _count(perturbed.broken))
        # By the whole batch, of which this may be a part: parts and devices then add up.
        return totals.loss / network.program.batch_size, (totals, stats, outputs)

    # Slopes of the inputs come with the same backward pass, for an objective that uses them.
    moves, carry = carried is not None and carried.move is not None, part.carry
    both = jax.grad(loss_fn, (0, 1) if moves else (0,), has_aux=True)
    (found, *slope), (totals, stats, outputs) = both(network.live, perturbed.inputs)
    if carried is not None and carried.move is not None:
        carry, broken = carried.move(carry, slope[0])
        totals = totals._replace(broken=_count(broken))
    if carried is not None and carried.follow is not None:
        carry = carried.follow(carry, jax.lax.stop_gradient(outputs), part.batch, parallel.join)
    return Sums(network.pull(found), totals, stats, carry)


def _recalled(network: StepNetwork, part: Part) -> Part:
    """Return a part with what the task's memory brings, and what the memory then holds."""
    memory = network.program.task.memory
    if memory is None:
        return part
    train = network.program.statistics == "batch"

    def forward(weights: Params, stats: Any, inputs: Any) -> tuple[Any, Any]:
        return models.apply(network.model, weights, stats, inputs, train)

    held, batch = memory.recall(part.carry, forward, part.batch, over_devices)
    return part._replace(batch=batch, carry=jax.lax.stop_gradient(held))


def _count(broken: Array | None) -> Array:
    return jnp.int32(0) if broken is None else broken.sum(dtype=jnp.int32)


def _perturb(
    network: StepNetwork, objective: Objective, batch_stats: Any, part: Part
) -> tuple[Perturbed, Any]:
    """Return the inputs that the loss is taken on, and the running statistics after the attack."""
    task = network.program.task
    if objective.carry is not None and objective.carry.add is not None:
        return Perturbed(objective.carry.add(part.batch[task.input], part.carry)), batch_stats
    model, weights = network.model, network.weights(network.live)
    mode = network.program.objective.attack_statistics

    def model_fn(x: Array, stats: Any) -> tuple[Array, Any]:
        seen = task.seen(part.batch, x)
        return models.apply(model, weights, stats, seen, True, _draws_of(seen, part.draws))

    def outputs_fn(x: Array) -> Array:
        if mode == "frozen":
            return models.apply(model, weights, batch_stats, task.seen(part.batch, x))[0]
        return model_fn(x, batch_stats)[0]

    if objective.inner is None:
        return objective.perturb(outputs_fn, part.batch, part.keys), batch_stats

    def inner(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> tuple[Ascent, Job]:
        assert objective.inner is not None
        search, job = objective.inner(outputs_fn, batch, keys)
        return on_all_devices(search), job

    if mode == "batch_and_update":
        search, job = inner(outputs_fn, part.batch, part.keys)
        fooled = partial(task.fooled, batch=part.batch)
        return search_and_update(search, job, model_fn, batch_stats, fooled)
    return searched(inner)(outputs_fn, part.batch, part.keys), batch_stats


def _draws_of(seen: Any, draws: Array | None) -> Array | None:
    """Return a key for everything that the network sees: of several views of an example others."""
    if draws is None:
        return None
    views = len(jax.tree.leaves(seen)[0]) // len(draws)
    if views == 1:
        return draws
    each = [jax.vmap(partial(jax.random.fold_in, data=view))(draws) for view in range(views)]
    return jnp.concatenate(each)
