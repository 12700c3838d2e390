"""Linear evaluation on features that are computed once, see `rtickets.training.heads`.

That is exact where nothing before the head moves and every epoch sees the same examples: under
frozen statistics, without augmentation, on a task that prepares images as all do, with a head that
reads pooled features alone. Anything else is refused before features are computed, as is a split
whose features would take more than `MOST_BYTES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax import Array

from rtickets import evaluation, masks, models, training
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.chosen import make_transform
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.evaluation.features import pooled_features
from rtickets.masks import Mask, Params
from rtickets.models.pooled_head import PooledHead
from rtickets.platform import console, processes
from rtickets.settings import config_files
from rtickets.settings.kinds import to_steps
from rtickets.stages.settings import Rung, TransferConfig
from rtickets.stages.train import Ready, TrainingRun, begin
from rtickets.storage.files import open_metrics
from rtickets.tasks import ImageTask, Task
from rtickets.training import HEAD
from rtickets.training.heads import HeadFit, HeadRun, fit_heads

FLOAT = 4  # bytes
MOST_BYTES = 4 * 2**30  # of features, training and validation examples together
_VALIDATED = 4096  # features at once


@dataclass(frozen=True)
class AsTheyAre(Transform):
    """The transform of inputs that are features."""

    def prepare(self, images: Array) -> Array:
        """Return the inputs."""
        return images

    def training_input(self, keys: Array, images: Array, extents: Array | None = None) -> Array:
        """Return the inputs."""
        del keys, extents
        return images


def check_data(config: DataConfig, task: Task) -> None:
    """Refuse examples that differ from epoch to epoch.

    Raises:
        InputError: naming what changes them, and how to leave it out.
    """
    transform = make_transform(config)
    random = {
        "crop_padding=0": transform.crop_padding,
        "flip=False": transform.flip,
        "random_resized_crop=False": transform.random_crop is not None,
        "color_jitter=0": transform.jitter,
        "lighting=0": transform.lighting,
    }
    if off := [f"data.{field}" for field, on in random.items() if on]:
        raise InputError(
            f"features='cached' sees every training image once, and those of {config.source} "
            f"change at random in every epoch; leave that out ({', '.join(off)}), or set "
            "features='computed'"
        )
    own = [name for name in ("prepare", "augment") if not _is_of_images(task, name)]
    if own:
        raise InputError(
            f"features='cached': {type(task).__name__} has a {' and '.join(own)} of its own, which "
            "may change examples at random; set features='computed'"
        )


def _is_of_images(task: Task, name: str) -> bool:
    return getattr(type(task), name, None) is getattr(ImageTask, name)


def check_size(model: models.Model, inputs: models.Inputs | tuple[int, ...], examples: int) -> int:
    """Return the width of the features of a network.

    Args:
        model: the network.
        inputs: what it takes; (H, W, C) of images.
        examples: for training and validation.

    Raises:
        InputError: if theirs are more than `MOST_BYTES`, or its head reads more than these.
    """
    if not isinstance(model.make_head(1), models.LinearHead):
        raise InputError(
            "features='cached' needs a linear head on pooled features; set features='computed'"
        )

    def pooled(seen: Any) -> Array:
        found: Any = model.init_with_output(jax.random.key(0), seen, method="features")
        return found[0].pooled

    seen = models.placeholders(models.as_inputs(inputs), 1)
    width = int(jax.eval_shape(pooled, seen).shape[-1])
    size = FLOAT * examples * width
    if size > MOST_BYTES:
        raise InputError(
            f"features='cached': {width:,} features of {examples:,} examples take "
            f"{size / 2**30:.2g} GiB, more than {MOST_BYTES / 2**30:g}; take fewer examples "
            "(data.train_examples), or set features='computed'"
        )
    return width


def check(config: TransferConfig, ready: Ready) -> None:
    """Check a transfer before anything is computed, see `check_data` and `check_size`."""
    check_data(config.data, ready.task)
    inputs = ready.task.input_spec(ready.transform, ready.dataset.train.spec)
    check_size(ready.model, inputs, len(ready.dataset.train) + len(ready.dataset.validation))


def train_cached(
    run: TrainingRun, weights: tuple[Params, Any], mask: Mask, rungs: Sequence[Rung]
) -> list[HeadFit]:
    """Train the head of a ticket at every rung, on features that are computed once.

    Args:
        run: the training.
        weights: initial (parameters, normalisation statistics).
        mask: of the ticket.
        rungs: learning rates and weight decays.

    Returns:
        What became of each rung, its weights those of the whole network.

    Raises:
        Preempted: if the process was asked to stop.
    """
    begin(run)
    splits = run.dataset.train, run.dataset.validation
    params, stats = masks.apply(mask, weights[0]), weights[1]
    network = evaluation.Network(run.model, params, stats)
    console.say(f"{run.called}: features of {sum(map(len, splits)):,} examples, once")
    train, held_out = (_featured(run, network, split) for split in splits)
    model = PooledHead(run.model.num_classes, run.model.make_head)
    examples = evaluation.on_devices(held_out, AsTheyAre(), run.devices, run.task)

    def validate(head: Params) -> float:
        own = evaluation.Network(model, head, {})
        found = evaluation.judge(own, examples, batch_size=min(len(held_out), _VALIDATED))
        return float(found[run.task.headline.name].value)

    fits: dict[Rung, HeadFit] = {}
    for decay in dict.fromkeys(rung.weight_decay for rung in rungs):
        own = [rung for rung in rungs if rung.weight_decay == decay]
        heads = [
            HeadRun({HEAD: params[HEAD]}, train, run.config.seed, rung.learning_rate, validate)
            for rung in own
        ]
        fits |= zip(own, fit_heads(_program(run, model, decay), run.config, heads), strict=True)
    return [_whole(fits[rung], params, stats) for rung in rungs]


def _featured(run: TrainingRun, network: evaluation.Network, split: Split) -> Split:
    found = pooled_features(network, split, run.task, run.transform, run.config.batch_size)
    return split.having(**{run.task.input: found})


def _program(run: TrainingRun, model: PooledHead, decay: float) -> training.Program:
    config = run.config
    return training.Program(
        model=model,
        objective=config.objective,
        optimizer=config_files.replace(config.optimizer, learning_rate=0.0, weight_decay=decay),
        transform=AsTheyAre(),
        batch_size=config.batch_size,
        total_steps=to_steps(config.duration, run.steps_per_epoch),
        steps_per_epoch=run.steps_per_epoch,
        trainable="head",
        statistics="frozen",
        devices=run.devices,
        averaging=config.averaging,
        accumulate=config.accumulate,
        task=run.task,
    )


def _whole(fit: HeadFit, params: Params, stats: Any) -> HeadFit:
    if fit.outcome is None:
        return fit
    whole = {**params, HEAD: fit.outcome.params[HEAD]}
    return fit._replace(outcome=fit.outcome._replace(params=whole, batch_stats=stats))


def write_lines(folder: Path, fit: HeadFit) -> None:
    """Write the metrics of a head into a folder."""

    def write() -> None:
        with open_metrics(folder / "metrics.jsonl") as metrics:
            for line in fit.lines:
                metrics.write(line)

    processes.on_primary(write)
