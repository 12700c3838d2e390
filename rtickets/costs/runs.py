"""What single runs take: shapes, steps, operations and memory."""

from typing import NamedTuple

from rtickets.costs.network_costs import NetworkCost, network_cost
from rtickets.costs.passes import IMAGE_GRADIENT, passes_of_attack, passes_per_step
from rtickets.costs.task_sizes import TaskSizes
from rtickets.draw.ladder import states_to
from rtickets.draw.settings import DrawConfig
from rtickets.evaluation.settings import EvaluateConfig
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
        name: what to call it.
        task: its data.
        model: its network.
        train: how it is trained.
        devices: over how many devices.
        trainable: 'all' weights or the 'head'.
        times: how often a study runs it.

    Returns:
        The estimate.

    Raises:
        InputError: if the batch is larger than the training set, or the attack's radius than all
            images.
    """
    train.objective.check_lengths(task.shape)
    cost = network_cost(model, task.classes, task.shape)
    per_epoch = steps_per_epoch(task.train, train.batch_size)
    steps = to_steps(train.duration, per_epoch)
    every = to_steps(train.validate_every, per_epoch)
    passes = passes_per_step(train.objective, trainable)
    check = train.objective.validation_attack
    held_out = 1 + (passes_of_attack(check, task.classes) if check else 0)
    images = steps * train.batch_size
    validated = (steps // every) * task.validation if every else 0
    return Estimate(
        name,
        times,
        (
            _describe(task, model, cost),
            f"{steps:,} steps ({steps / per_epoch:.4g} epochs of {per_epoch:,}), batch "
            f"{train.batch_size}, {passes:g} forward passes' worth of work per image",
        ),
        cost.forward * (images * passes + validated * held_out),
        _memory(cost, task, train.batch_size, devices, trainable, train.optimizer.moments),
    )


def _describe(task: TaskSizes, model: ModelConfig, cost: NetworkCost) -> str:
    shape = "x".join(map(str, task.shape))
    streamed = "" if task.stored else ", streamed from disk"
    return (
        f"{model.arch}, {cost.weights / 1e6:.2f} M weights ({cost.prunable / 1e6:.2f} M prunable), "
        f"{cost.forward / 1e9:.3g} GFLOP an image; {task.name}: {task.train:,} images of {shape}, "
        f"{task.classes} classes{streamed}"
    )


def _memory(
    cost: NetworkCost,
    task: TaskSizes,
    batch: int,
    devices: int,
    trainable: str = "all",
    moments: int = 1,
) -> dict[str, float]:
    # weights, masked weights, gradients, what the optimiser remembers
    copies = 3 + moments if trainable == "all" else 1
    per_device = batch / devices
    return {
        "weights": _FLOAT * cost.weights * copies,
        "activations": per_device * (cost.activations if trainable == "all" else 0),
        "images": float(task.stored + per_device * _FLOAT * _size(task.shape)),
    }


def _size(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def estimate_evaluation(
    config: EvaluateConfig, task: TaskSizes, model: ModelConfig, devices: int, times: int = 1
) -> Estimate:
    """Estimate an evaluation; attacks stop at images that are fooled, so this is an upper bound.

    Args:
        config: the evaluation.
        task: its data.
        model: the network.
        devices: over how many devices.
        times: how often a study runs it.

    Returns:
        The estimate.

    Raises:
        InputError: for an attack whose radius is larger than all images.
    """
    config.check_lengths(task.shape)
    cost = network_cost(model, task.classes, task.shape)
    images = task.test if config.split == "test" else task.validation
    attacked = min(images, config.attack_examples or images)
    work = [passes_of_attack(attack, task.classes) for attack in config.attacks.values()]
    passes = images + attacked * sum(work)
    about = f"{images:,} images, {attacked if config.attacks else 0:,} of them attacked"
    if config.smoothing is not None:
        certified = min(images, config.smoothing.examples or images)
        passes += certified * (config.smoothing.samples + config.smoothing.selection_samples)
        about += f", {certified:,} certified"
    return Estimate(
        f"evaluate, {task.name}",
        times,
        (_describe(task, model, cost), about),
        cost.forward * passes,
        _memory(cost, task._replace(stored=0), config.batch_size, devices),
    )


def estimate_draw(
    config: DrawConfig,
    task: TaskSizes | None,
    model: ModelConfig,
    devices: int,
    times: int = 1,
    removed: float = 0.0,
) -> Estimate:
    """Estimate the drawing of a ticket.

    Args:
        config: the draw.
        task: the data it trains or scores on, or None if it needs none.
        model: the network.
        devices: over how many devices.
        times: how often a study runs it.
        removed: fraction of the prunable weights that the network has lost.

    Returns:
        The estimate; of iterative pruning, of one of its states.

    Raises:
        InputError: as `estimate_training`.
    """
    name = f"draw, {config.method}, sparsity {config.drawn_sparsity:g}"
    if task is None:
        return Estimate(f"draw, {config.method}", times, ("no data, no training",), 0.0, {})
    if config.attack is not None:
        config.attack.check_lengths("attack", task.shape)
    if config.train is None:
        cost = network_cost(model, task.classes, task.shape)
        attacked = IMAGE_GRADIENT * config.attack.training_evaluations if config.attack else 0
        passes = config.how.passes + attacked
        about = f"{config.criterion} in {config.num_rounds} rounds on {config.examples} images"
        operations = cost.forward * config.examples * config.num_rounds * passes
        memory = _memory(cost, task._replace(stored=0), config.batch_size, 1)
        return Estimate(name, times, (_describe(task, model, cost), about), operations, memory)
    states = 1
    if config.method == "imp":
        imp = config.imp
        states = len(states_to(config.drawn_sparsity, imp.rate, imp.of, removed))
        name += f", each of {states} states"
    return estimate_training(name, task, model, config.train, devices, times=times * states)
