"""The training step: a pure function that every trainer shares.

A step sees the whole run as data: weights, mask, key and learning rate are arguments, so it maps
with `vmap` over any of them, and one compiled program serves every ticket of a study.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rtickets import masks, models, parallel, schedules
from rtickets.config import ObjectiveConfig, OptimizerConfig
from rtickets.data.augment import Transform
from rtickets.learned_masks import SCORES, LearnedMask, apply_scores, living_groups
from rtickets.masks import Mask, Params
from rtickets.models.resnet import ResNet
from rtickets.objectives import Objective, adversarial, gaussian, natural

HEAD = "head"  # the top-level entry of the parameters that a downstream task replaces
Trainable = Literal["all", "head", "scores", "scores and head"]
_TRAINED = {"head": (HEAD,), "scores": (SCORES,), "scores and head": (SCORES, HEAD)}


class TrainState(NamedTuple):
    """Everything a run changes.

    Attributes:
        step: int32 scalar, number of steps done.
        params: float32 weights, zero where pruned.
        batch_stats: float32 normalisation statistics.
        opt_state: state of the optimiser over the trained parameters.
    """

    step: Array
    params: Params
    batch_stats: Any
    opt_state: Any


class Run(NamedTuple):
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
        correct: int32 number of examples classified correctly, as the loss saw them.
        examples: int32 number of examples.
    """

    loss: Array
    correct: Array
    examples: Array


@dataclass(frozen=True)
class Program:
    """What is compiled: everything about a step that is not data.

    Attributes:
        model: the network.
        objective: what is minimised.
        optimizer: how; its learning rate is ignored, `Run` carries it.
        transform: from stored pixels to the network's input.
        batch_size: examples per step, over all devices.
        total_steps: length of the schedule.
        steps_per_epoch: unit of the schedule's milestones.
        trainable: 'all' parameters, the 'head', or the 'scores' of a learned mask without or with
            the head.
        statistics: normalisation uses and updates 'batch' statistics or keeps 'frozen' ones.
        devices: where it runs.
        learned_mask: how the scores among the parameters become a mask; None without scores.
    """

    model: ResNet
    objective: ObjectiveConfig
    optimizer: OptimizerConfig
    transform: Transform
    batch_size: int
    total_steps: int
    steps_per_epoch: int
    trainable: Trainable
    statistics: Literal["batch", "frozen"]
    devices: parallel.Devices
    learned_mask: LearnedMask | None = None


def make_objective(config: ObjectiveConfig) -> Objective:
    """Return the objective of a configuration."""
    if config.name == "natural":
        return natural()
    if config.name == "gaussian":
        return gaussian(config.sigma)
    return adversarial(**config.attack.as_pgd())


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Return L2 penalty and momentum; the step multiplies by the learning rate."""
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay),
        optax.trace(config.momentum, config.nesterov) if config.momentum else optax.identity(),
    )


def split_trainable(params: Params, trainable: Trainable) -> tuple[Params, Params]:
    """Return (trained, frozen) parts of the parameters; `{**frozen, **trained}` is the whole."""
    names = _TRAINED.get(trainable, tuple(params))
    trained = {name: params[name] for name in names}
    return trained, {name: leaf for name, leaf in params.items() if name not in names}


def weights_of(learned_mask: LearnedMask | None, params: Params, keep: Any = None) -> Params:
    """Return the weights of the network that parameters stand for.

    Args:
        learned_mask: how scores become a mask, or None.
        params: parameters, masked already; with a learned mask the scores are among them.
        keep: the groups that live, where they are known already.

    Returns:
        The weights, without scores, differentiable with respect to them.
    """
    if learned_mask is None:
        return params
    return apply_scores(learned_mask, _network(params), params[SCORES], keep)


def _network(params: Params) -> Params:
    return {name: leaf for name, leaf in params.items() if name != SCORES}


def init_state(program: Program, params: Params, batch_stats: Any, mask: Mask) -> TrainState:
    """Return the state at step 0: masked weights and a fresh optimiser.

    Args:
        program: the program that will run.
        params: weights.
        batch_stats: normalisation statistics.
        mask: mask of the weights.

    Returns:
        The state.
    """
    params = masks.apply(mask, params)
    trained, _ = split_trainable(params, program.trainable)
    opt_state = make_optimizer(program.optimizer).init(trained)
    return TrainState(jnp.zeros((), jnp.int32), params, batch_stats, opt_state)


def train_step(
    program: Program, state: TrainState, mask: Mask, run: Run, images: Array, labels: Array
) -> tuple[TrainState, Totals]:
    """Take one step on this device's part of the batch; needs the axis `parallel.AXIS`.

    The masked weights are made once and shared by all passes; the objective's inner passes are
    differentiated with respect to the images only. Keys belong to positions in the whole batch, so
    that the number of devices does not change what is computed.

    Args:
        program: what is compiled.
        state: where the run is.
        mask: which weights live.
        run: key and learning rate.
        images: uint8 (B / D, H, W, C).
        labels: int32 (B / D,).

    Returns:
        (new state, totals over the whole batch), the same on every device.
    """
    model = program.model.clone(axis_name=parallel.AXIS)
    objective = make_objective(program.objective)
    step_key = jax.random.fold_in(run.key, state.step)
    keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(step_key, i)))(
        parallel.positions(images.shape[0])
    )  # (B / D, 2)
    x = program.transform.training_input(keys[:, 0], images)
    params = masks.apply(mask, state.params)
    trained, frozen = split_trainable(params, program.trainable)
    learned, keep = program.learned_mask, None
    if learned is not None:
        keep = living_groups(learned, _network(params), params[SCORES])
    weights = weights_of(learned, params, keep)

    def logits_fn(x: Array) -> Array:
        return models.logits(model, weights, state.batch_stats, x)

    perturbed = objective.perturb(logits_fn, x, labels, keys[:, 1])

    def loss_fn(trained: Params) -> tuple[Array, tuple[Totals, Any]]:
        whole = weights_of(learned, {**frozen, **trained}, keep)

        def train_fn(x: Array) -> tuple[Array, Any]:
            if program.statistics == "frozen":
                return models.logits(model, whole, state.batch_stats, x), state.batch_stats
            return models.training_logits(model, whole, state.batch_stats, x)

        losses, logits, batch_stats = objective.loss(train_fn, x, perturbed, labels)
        correct = (logits.argmax(-1) == labels).sum()
        totals = Totals(losses.sum(), correct, jnp.int32(labels.size))
        return totals.loss / program.batch_size, (totals, batch_stats)

    gradients, (totals, batch_stats) = jax.grad(loss_fn, has_aux=True)(trained)
    gradients, totals = parallel.total((gradients, totals))
    batch_stats = parallel.mean(batch_stats)
    trained, opt_state = _update(program, state, mask, run, trained, gradients)
    return TrainState(state.step + 1, {**frozen, **trained}, batch_stats, opt_state), totals


def _update(
    program: Program, state: TrainState, mask: Mask, run: Run, trained: Params, gradients: Params
) -> tuple[Params, Any]:
    """Apply the optimiser so that pruned weights and their momentum stay exactly zero."""
    trained_mask, _ = split_trainable(mask, program.trainable)
    gradients = masks.apply(trained_mask, gradients)
    optimizer = make_optimizer(program.optimizer)
    updates, opt_state = optimizer.update(gradients, state.opt_state, trained)
    schedule = schedules.multiplier(program.optimizer, program.total_steps, program.steps_per_epoch)
    rate = run.learning_rate * schedule(state.step)
    moved = jax.tree.map(lambda weight, update: weight - rate * update, trained, updates)
    return masks.apply(trained_mask, moved), opt_state


def train_steps(
    program: Program,
    state: TrainState,
    mask: Mask,
    run: Run,
    images: Array,
    labels: Array,
    indices: Array,
) -> tuple[TrainState, Totals]:
    """Take several steps in one call, the data set lying on the device.

    Args:
        program: what is compiled.
        state: where the run is.
        mask: which weights live.
        run: key and learning rate.
        images: uint8 (N, H, W, C), all of them.
        labels: int32 (N,).
        indices: int32 (S, B / D), this device's examples of S steps.

    Returns:
        (new state, totals over the S steps).
    """

    def body(state: TrainState, chosen: Array) -> tuple[TrainState, Totals]:
        return train_step(program, state, mask, run, images[chosen], labels[chosen])

    if indices.shape[0] == 1:  # no loop: XLA:CPU is several times slower at convolutions in one
        return body(state, indices[0])
    state, totals = jax.lax.scan(body, state, indices)
    return state, jax.tree.map(lambda values: values.sum(0), totals)


@lru_cache(maxsize=16)
def compiled(program: Program) -> Any:
    """Return the parallel form of `train_steps`, the same object for equal programs.

    Returns:
        (state, mask, run, images, labels, indices (D, S, B / D)) -> (state, totals). The state's
        buffers are donated.
    """

    def steps(*arguments: Any) -> tuple[TrainState, Totals]:
        return train_steps(program, *arguments)

    in_axes = (None, None, None, None, None, 0)
    return parallel.parallel(steps, in_axes=in_axes, devices=program.devices, donate=(0,))
