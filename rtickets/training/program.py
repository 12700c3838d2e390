"""What is compiled, and which parameters it trains."""

from dataclasses import dataclass, field
from typing import Literal

from rtickets import models
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.masks import Params
from rtickets.masks.gates import SCORES, LearnedMask, apply_gates, living_groups
from rtickets.platform import parallel
from rtickets.tasks import Classification, Task
from rtickets.training.objectives import ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.settings import AveragingConfig, TrainConfig

HEAD = "head"  # the top-level entry of the parameters that a downstream task replaces
Trainable = Literal["all", "head", "scores", "scores and head"]
Masked = Literal["zero", "decayed", "frozen"]
_TRAINED = {"head": (HEAD,), "scores": (SCORES,), "scores and head": (SCORES, HEAD)}


@dataclass(frozen=True)
class Program:
    """What is compiled: everything about a step that is not data.

    Attributes:
        model: the network.
        objective: how inputs are changed before the loss.
        optimizer: how; its learning rate is ignored, `RunData` carries it.
        transform: from stored pixels to the network's input.
        batch_size: examples per step, over all devices.
        total_steps: length of the schedule.
        steps_per_epoch: unit of the schedule's milestones.
        trainable: 'all' parameters, the 'head', or the 'scores' of a learned mask without or with
            the head.
        statistics: normalisation uses and updates 'batch' statistics or keeps 'frozen' ones.
        devices: where it runs.
        learned_mask: how the scores among the parameters become a mask; None without scores.
        averaging: of the trained parameters.
        accumulate: micro-batches per step.
        sync_statistics: batch statistics are those of the batch over all devices.
        input_shape: of what an objective may change, (H, W, C) of images, for those that carry a
            perturbation.
        task: what the network is asked to do.
        masked: what becomes of masked weights, which count as 0 in any case: they are 'zero', or
            kept for when they come back: 'decayed' by weight decay and momentum, or 'frozen'.
        penalty_warmup: steps over which the penalty of `TrainState.search` rises from 0.
    """

    model: models.Model
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
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    accumulate: int = 1
    sync_statistics: bool = True
    input_shape: tuple[int, ...] | None = None
    task: Task = field(default_factory=Classification)
    masked: Masked = "zero"
    penalty_warmup: int = 0


def check_batch_size(config: TrainConfig, devices: parallel.Devices) -> None:
    """Raise InputError unless every micro-batch divides over the devices."""
    parallel.check_batch_size(config.batch_size, devices)
    parts = len(devices) * config.accumulate
    if config.batch_size % parts:
        raise InputError(
            f"batch_size={config.batch_size} does not divide over {len(devices)} devices in "
            f"accumulate={config.accumulate} micro-batches; choose a multiple of {parts}"
        )


def split_trainable(params: Params, trainable: Trainable) -> tuple[Params, Params]:
    """Return (trained, frozen) parts of the parameters; `{**frozen, **trained}` is the whole."""
    names = _TRAINED.get(trainable, tuple(params))
    trained = {name: params[name] for name in names}
    return trained, {name: leaf for name, leaf in params.items() if name not in names}


def weights_of(learned_mask: LearnedMask | None, params: Params) -> Params:
    """Return the weights of the network that parameters stand for, outside of training.

    Args:
        params: parameters, masked already; with a learned mask the scores are among them.

    Returns:
        The weights, without scores, zero where these leave a group out.
    """
    if learned_mask is None:
        return params
    weights = without_scores(params)
    return apply_gates(learned_mask, weights, living_groups(learned_mask, weights, params[SCORES]))


def without_scores(params: Params) -> Params:
    """Return the parameters without the scores of a learned mask."""
    return {name: leaf for name, leaf in params.items() if name != SCORES}
