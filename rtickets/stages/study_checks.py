"""What would fail late in a study, looked at before hours of training."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax

from rtickets import data, models, training
from rtickets.data.images.chosen import make_transform
from rtickets.data.settings import DataConfig
from rtickets.draw.omp import check_kernels, check_pattern
from rtickets.draw.permuted import layers_in
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.masks.layout_names import parse_names
from rtickets.masks.paths import leaf_paths
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.settings.config_files import parts_of
from rtickets.stages.cached import check_data, check_size
from rtickets.stages.settings import PretrainConfig, is_of_texts
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.taken import check_taken
from rtickets.tasks import task_of
from rtickets.training.batches import steps_per_epoch
from rtickets.training.settings import TrainConfig

T = TypeVar("T")
_SOURCE = "source networks"


def check_study(
    config: StudyConfig, devices: parallel.Devices, workdir: Path = Path("runs")
) -> None:
    """Look at everything that could fail late, before hours of training.

    Args:
        workdir: where run folders lie, of which networks that are there may be named.

    Raises:
        InputError: for a data set that cannot be loaded, a batch that does not fit its data or the
            devices, a radius larger than all images, a sparsity, pattern or expression that does
            not fit its way of drawing, fewer images than statistics are estimated on, features
            that cannot be cached, or a network that is not there or another one.
    """
    _check_runs(config, devices)
    for branch in config.branches:
        if config.pretraining(branch).network is not None:
            _named(branch, check_taken, config.pretraining(branch), workdir)
    for label, draw in config.draws.items():
        for sparsity in config.ladder(label):
            drawn = config_files.replace(draw, sparsity=sparsity)
            check_pattern(drawn.pattern, drawn.drawn_sparsity)
            if drawn.method.in_states and drawn.drawn_sparsity == 0:
                raise InputError(f"{label}: sparsity=0 prunes nothing; leave it out of its ladder")
    for task in parts_of(config, DataConfig):  # also those that measures ask for
        data.load(task)
    for pretrain, branches in config.sources().values():
        _check_source(config, pretrain, branches, devices)


def _check_runs(config: StudyConfig, devices: parallel.Devices) -> None:
    """Look at the data of all runs, and tell of all that cannot start at once: they take days."""
    own = [(_pretrain_of(config, each), config.pretraining(each)) for each in config.branches]
    runs = [(label, run.data, run.train) for label, run in own if run.network is None]
    runs += [(label, run.data, run.train) for label, run in config.transfers.items()]
    checks: list[tuple[str, Callable[[], Any]]] = [
        (label, partial(_check_run, task, train, devices)) for label, task, train in runs
    ]
    for label, draw in config.draws.items():
        if draw.data is not None:
            checks.append((label, partial(data.load, draw.data)))
    wrong: dict[str, dict[str, None]] = {}  # labels by what is wrong, in order
    for label, check in checks:
        try:
            check()
        except InputError as error:
            wrong.setdefault(str(error), {})[label] = None
    if wrong:
        raise InputError("; ".join(f"{', '.join(each)}: {why}" for why, each in wrong.items()))


def _pretrain_of(config: StudyConfig, branch: str) -> str:
    """Return what a branch is called in a configuration."""
    return f"pretrainings.{branch}" if branch in config.pretrainings else "pretrain"


def _check_source(
    config: StudyConfig,
    pretrain: PretrainConfig,
    branches: tuple[str, ...],
    devices: parallel.Devices,
) -> None:
    """Look at what the branches of one data set and network ask of draws and transfers."""
    for label, draw in config.draws.items():
        if draw.train is not None:
            asked = draw.data or pretrain.data, draw.train, devices
            steps = _named(label, _check_run, *asked)
            draw.method.check_run(draw, steps)
    source = data.load(pretrain.data)
    transform = make_transform(pretrain.data).left_to_do(source)
    asks = task_of(pretrain.data)
    inputs = asks.input_spec(transform, source.train.spec)
    if asks.attackable:
        _check_lengths(config, pretrain, branches, inputs[0].shape)
    _check_inputs(config, pretrain)
    _check_kernels(config, pretrain, inputs)
    _check_recalibration(config, pretrain.data)
    _check_cached(config, pretrain, inputs)


def _check_inputs(config: StudyConfig, pretrain: PretrainConfig) -> None:
    """Look at whether the network can be called with the examples of every task."""
    if not is_of_texts(pretrain.data):
        return  # images may be of any size
    network = models.from_config(pretrain.model, 1)
    asked = {f"{label}: data": draw.data for label, draw in config.draws.items() if draw.data}
    asked |= {label: run.data for label, run in config.transfers.items()}
    for label, own in {_SOURCE: pretrain.data, **asked}.items():
        dataset = data.load(own)
        transform = make_transform(own).left_to_do(dataset)
        seen = task_of(own).input_spec(transform, dataset.train.spec)
        _named(label, models.check_inputs, network, seen)


def _check_recalibration(config: StudyConfig, source: DataConfig) -> None:
    """Look at whether there are as many training images as statistics are estimated on."""
    asked: list[tuple[str, RecalibrateConfig | None, DataConfig]] = []
    for label, draw in config.draws.items():
        asked.append((label, draw.recalibrate, draw.data or source))
    for label, run in config.transfers.items():
        if run.recalibrate is not None and run.recalibrate.on == "source":
            for name, task in _tasks_of_tickets(config, source).items():
                asked.append((f"{label} of {name}", run.recalibrate, task))
        else:
            asked.append((label, run.recalibrate, run.data))
        asked.append((label, config.evaluate.recalibrate, run.data))
    asked.append((_SOURCE, config.evaluate.recalibrate, source))
    for label, recalibrate, task in asked:
        if recalibrate is not None:
            _named(label, recalibrate.check, len(data.load(task).train))


def _tasks_of_tickets(config: StudyConfig, source: DataConfig) -> dict[str, DataConfig]:
    """Return the task that a ticket is of when it is transferred, by how it was drawn."""
    drawn = {
        label: draw.data or source if draw.train is not None else source
        for label, draw in config.draws.items()
    }
    return {"dense": source, **drawn}


def _check_cached(config: StudyConfig, pretrain: PretrainConfig, inputs: models.Inputs) -> None:
    """Look at whether features that are to be computed once may be, and how many they are."""
    for label, run in config.transfers.items():
        if run.features != "cached":
            continue
        task, dataset = task_of(run.data), data.load(run.data)
        _named(label, check_data, run.data, task)
        width = task.width(task.about(dataset))
        network = models.from_config(
            pretrain.model, width, make_head=task.head, output_stride=task.backbone_stride
        )
        own = inputs
        if task.attackable:
            own = models.as_inputs(make_transform(run.data).output_shape(inputs[0].shape))
        examples = len(dataset.train) + len(dataset.validation)
        _named(label, check_size, network, own, examples)


def _check_lengths(
    config: StudyConfig,
    pretrain: PretrainConfig,
    branches: tuple[str, ...],
    shape: tuple[int, ...],
) -> None:
    """Look at all radii; images reach networks as `shape` unless a task names another size."""
    for branch in branches:
        config.pretraining(branch).train.objective.check_lengths(shape)
    config.evaluate.check_lengths(shape)
    for label, draw in config.draws.items():
        own = make_transform(draw.data or pretrain.data).output_shape(shape)
        if draw.attack is not None:
            draw.attack.check_lengths(f"{label}: attack", own)
        for branch in branches:
            if (train := config.drawing(label, branch).train) is not None:
                _named(label, train.objective.check_lengths, own)
    for label, transfer in config.transfers.items():
        own = make_transform(transfer.data).output_shape(shape)
        _named(label, transfer.train.objective.check_lengths, own)
        _named(label, config.evaluate.check_lengths, own)


def _named(label: str, check: Callable[..., T], *arguments: Any) -> T:
    """Return what a check returns, whose errors get a label."""
    try:
        return check(*arguments)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def _check_kernels(config: StudyConfig, pretrain: PretrainConfig, inputs: models.Inputs) -> None:
    """Look at the shapes of the network that draws start from."""
    task, dataset = task_of(pretrain.data), data.load(pretrain.data)
    width = task.width(task.about(dataset))
    network = models.from_config(
        pretrain.model, width, make_head=task.head, output_stride=task.backbone_stride
    )
    seen = models.placeholders(inputs, 1)
    params = jax.eval_shape(network.init, jax.random.key(0), seen)["params"]
    for label, draw in config.draws.items():
        names = _named(label, parse_names, draw.layouts)
        about = (draw.pattern, draw.scope, draw.prunable, draw.exclude, names)
        _named(label, check_kernels, params, *about)
        if draw.control == "permuted_layers":
            shapes = {path: leaf.shape for path, leaf in leaf_paths(params).items()}
            _named(label, layers_in, shapes)


def _check_run(task: DataConfig, train: TrainConfig, devices: parallel.Devices) -> int:
    """Return the number of steps per epoch of a training run that can start."""
    training.check_batch_size(train, devices)
    return steps_per_epoch(len(data.load(task).train), train.batch_size)
