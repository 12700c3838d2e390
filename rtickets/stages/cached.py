"""Linear evaluation on features that are computed once, see `rtickets.training.heads`.

That is exact where nothing before the head moves and every epoch sees the same examples: under
frozen statistics, without augmentation, on a task that prepares images as all do or leaves arrays
as they are, such as tokens, with a head that reads pooled features alone. Anything else is refused
before features are computed, as is a split whose features would take more than `MOST_BYTES`. The
network is that of evaluations: what it would drop in training (dropout) is there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import Array

from rtickets import evaluation, masks, models, training
from rtickets.data import Split
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
from rtickets.stages.train import Ready
from rtickets.stages.training_run import TrainingRun, begin
from rtickets.storage.files import open_metrics, read_json, write_json
from rtickets.tasks import ArrayTask, ImageTask, Task
from rtickets.training import HEAD
from rtickets.training.heads import AsTheyAre, HeadFit, HeadRun, fit_heads, shapes_of
from rtickets.training.settings import TrainConfig

FLOAT = 4  # bytes
MOST_BYTES = 4 * 2**30  # of features, training and validation examples together
_VALIDATED = 4096  # features at once


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
        "random_scale=None": transform.random_scale is not None,
        "color_jitter=0": transform.jitter,
        "lighting=0": transform.lighting,
    }
    if off := [f"data.{field}" for field, on in random.items() if on]:
        raise InputError(
            f"features='cached' sees every training image once, and those of {config.source} "
            f"change at random in every epoch; leave that out ({', '.join(off)}), or set "
            "features='computed'"
        )
    own = [_own_in(task, common) for common in (ImageTask, ArrayTask)]
    if all(own):
        raise InputError(
            f"features='cached': {type(task).__name__} has a {' and '.join(own[0])} of its own, "
            "which may change examples at random; set features='computed'"
        )


def _own_in(task: Task, common: type) -> list[str]:
    """Return what a task does to examples that others of its kind do not."""
    names = ("prepare", "augment")
    return [n for n in names if getattr(type(task), n, None) is not getattr(common, n)]


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


def check(config: TransferConfig, ready: Ready) -> int:
    """Check a transfer before anything is computed, see `check_data` and `check_size`.

    Returns:
        The bytes of its features.
    """
    check_data(config.data, ready.task)
    inputs = ready.task.input_spec(ready.transform, ready.dataset.train.spec)
    examples = len(ready.dataset.train) + len(ready.dataset.validation)
    return FLOAT * examples * check_size(ready.model, inputs, examples)


class Heads(NamedTuple):
    """The heads of a ticket at its rungs, and the features that they are trained on.

    Attributes:
        programs: of every rung.
        heads: of every rung, likewise; they share their features.
        config: of their training.
        whole: the ticket's (weights, masked, and normalisation statistics).
    """

    programs: list[training.Program]
    heads: list[HeadRun]
    config: TrainConfig
    whole: tuple[Params, Any]


def heads_of(
    run: TrainingRun, weights: tuple[Params, Any], mask: Mask, rungs: Sequence[Rung]
) -> Heads:
    """Compute the features of a ticket's examples, for its heads.

    Args:
        run: the training.
        weights: initial (parameters, normalisation statistics).
        mask: of the ticket.
        rungs: learning rates and weight decays.

    Raises:
        Preempted: if the process was asked to stop.
    """
    begin(run)
    splits = run.dataset.train, run.dataset.validation
    params, stats = masks.apply(mask, weights[0]), weights[1]
    network = evaluation.Network(run.model, params, stats)
    console.say(f"{run.called}: features of {sum(map(len, splits)):,} examples, once")
    train, held_out = (_featured(run, network, split) for split in splits)
    named = run.task.input if len(run.task.inputs) > 1 else None
    model = PooledHead(run.model.num_classes, run.model.make_head, named)
    examples = evaluation.on_devices(held_out, AsTheyAre(), run.devices, run.task)

    def validate(head: Params) -> float:
        own = evaluation.Network(model, head, {})
        found = evaluation.judge(own, examples, batch_size=min(len(held_out), _VALIDATED))
        return float(found[run.task.headline.name].value)

    how = {HEAD: params[HEAD]}, train, run.config.seed
    return Heads(
        [_program(run, model, rung.weight_decay) for rung in rungs],
        [HeadRun(*how, rung.learning_rate, validate) for rung in rungs],
        run.config,
        (jax.device_get(params), stats),
    )


def fit(tickets: Sequence[Heads]) -> list[list[HeadFit]]:
    """Train the heads of tickets at all their rungs, together as far as their shapes agree.

    Returns:
        For every ticket what became of each rung, its weights those of the whole network.

    Raises:
        Preempted: if the process was asked to stop.
    """
    alike: dict[Any, list[tuple[int, int]]] = {}
    for place, ticket in enumerate(tickets):
        for rung, (program, head) in enumerate(zip(ticket.programs, ticket.heads, strict=True)):
            how = config_files.replace(ticket.config, seed=0)
            alike.setdefault((program, how, shapes_of(head)), []).append((place, rung))
    fits: list[list[Any]] = [[None] * len(ticket.heads) for ticket in tickets]
    for (program, how, _), places in alike.items():
        heads = [tickets[place].heads[rung] for place, rung in places]
        for (place, rung), found in zip(places, fit_heads(program, how, heads), strict=True):
            fits[place][rung] = _whole(found, *tickets[place].whole)
    return fits


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


def note_together(folder: Path, fits: Sequence[HeadFit]) -> None:
    """Write beside the time of a stage how many heads were trained in one program with its own."""

    def write() -> None:
        count = {"together": max(each.together for each in fits)}
        write_json(folder / "timing.json", {**read_json(folder / "timing.json"), **count})

    processes.on_primary(write)
