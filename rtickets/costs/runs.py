"""What single runs take: shapes, steps, operations and memory."""

import math
from typing import NamedTuple

import numpy as np

from rtickets.costs.network_costs import NetworkCost
from rtickets.costs.passes import passes_of_attack, passes_per_step
from rtickets.costs.task_sizes import TaskSizes, cost_of, evaluated_cost_of, head_cost_of
from rtickets.data.arrays import IMAGE
from rtickets.models.inputs import Inputs
from rtickets.models.settings import ModelConfig
from rtickets.settings.kinds import to_steps
from rtickets.training.batches import steps_per_epoch
from rtickets.training.settings import TrainConfig

_FLOAT = 4


class Estimate(NamedTuple):
    """What a stage takes.

    Attributes:
        name: the stage.
        times: how often a study runs it.
        about: lines about shapes and steps.
        operations: floating point operations of one run.
        memory: bytes on every device, by what they are for.
    """

    name: str
    times: int
    about: tuple[str, ...]
    operations: float
    memory: dict[str, float]


def estimate_training(
    name: str,
    task: TaskSizes,
    model: ModelConfig,
    train: TrainConfig,
    devices: int,
    *,
    trainable: str = "all",
    times: int = 1,
) -> Estimate:
    """Estimate a training run.

    Args:
        trainable: 'all' weights or the 'head'.
        times: how often a study runs it.

    Raises:
        InputError: if the batch is larger than the training set, or the attack's radius than all
            images.
    """
    train.objective.check_lengths(task.shape)
    cost = cost_of(model, task)
    per_epoch = steps_per_epoch(task.train, train.batch_size)
    steps = to_steps(train.duration, per_epoch)
    every = to_steps(train.validate_every, per_epoch)
    head = cost if trainable == "all" else head_cost_of(model, task)
    part = head.forward / max(cost.forward, 1)
    passes = round(task.work * passes_per_step(train.objective, trainable, part), 2)
    check = None if task.compared else train.validation_attack
    held_out = 1 + (passes_of_attack(check, task.outputs) if check else 0)
    images = steps * train.batch_size
    # What compares features runs over the validation examples once more, and over the others.
    once = 2 * task.validation + task.compared if task.compared else task.validation
    validated = (steps // every) * once if every else 0
    return Estimate(
        name,
        times,
        (
            network_line(task, model, cost),
            f"{steps:,} steps ({steps / per_epoch:.4g} epochs of {per_epoch:,}), batch "
            f"{train.batch_size}, {passes:g} forward passes' worth of work per image",
        ),
        cost.forward * images * passes
        + evaluated_cost_of(model, task).forward * validated * held_out,
        memory_of(cost, task, train.batch_size, devices, head, train.optimizer.moments),
    )


def network_line(task: TaskSizes, model: ModelConfig, cost: NetworkCost) -> str:
    """Return a line about a network and what it sees."""
    seen = "images of " + "x".join(map(str, task.shape))
    if [each.name for each in task.inputs] != [IMAGE]:
        seen = "examples of " + ", ".join(map(str, task.inputs))
    streamed = "" if task.stored else ", streamed from disk"
    return (
        f"{model.arch}, {cost.weights / 1e6:.2f} M weights ({cost.prunable / 1e6:.2f} M prunable), "
        f"{cost.forward / 1e9:.3g} GFLOP an image; {task.name}: {task.train:,} {seen}, "
        f"{task.outputs} {task.answers}{streamed}"
    )


def memory_of(
    cost: NetworkCost,
    task: TaskSizes,
    batch: int,
    devices: int,
    trained: NetworkCost | None = None,
    moments: int = 1,
) -> dict[str, float]:
    """Return the bytes that a run needs on every device, by what they are for.

    Args:
        batch: examples at once, over all devices.
        trained: costs of what is trained, None for the whole network.
        moments: what the optimiser remembers, in copies of the weights.
    """
    trained = trained or cost
    # weights, and of those that are trained masked ones, gradients, what the optimiser remembers
    weights = cost.weights + (2 + moments) * trained.weights
    per_device = batch / devices
    return {
        "weights": float(_FLOAT * weights),
        "activations": per_device * task.work * trained.activations,
        "images": float(task.stored + per_device * _bytes(task.inputs)),
    }


def _bytes(inputs: Inputs) -> int:
    return sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in inputs)
