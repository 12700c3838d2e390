"""Training a dense network on the source task."""

from pathlib import Path
from typing import Any

import jax

from rtickets import data, masks, models
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import sizes_of
from rtickets.data.images.chosen import check_resize, make_transform
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, folder_of, run_once
from rtickets.stages.settings import PretrainConfig
from rtickets.stages.stage import Stage
from rtickets.stages.taken import taken
from rtickets.stages.train import first_meta, train_network, training_result, write_ticket
from rtickets.stages.training_run import TrainingRun
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket


def pretrain(
    config: PretrainConfig, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Train a dense network on the source task, or take one that is there; see `Stage.run`."""
    if config.network is not None:
        return taken(config, workdir, name)

    def body(folder: Path) -> dict[str, Any]:
        check_resize(config.data)
        task, dataset = task_of(config.data), data.load(config.data, config.train.seed)
        transform = make_transform(config.data).left_to_do(dataset)
        inputs = task.input_spec(transform, dataset.train.spec)
        meta = first_meta("pretrain", config, task, dataset, transform)
        model = provenance.build_model(meta)
        weights = models.initialise(model, jax.random.key(config.train.seed), inputs)
        mask = masks.full(weights[0])
        run = TrainingRun(model, task, dataset, transform, config.train, folder, devices)
        outcome = train_network(run, weights, mask)
        write_ticket(folder / "ticket", Ticket(mask, outcome.params, outcome.batch_stats, meta))
        return training_result(folder, outcome)

    return run_once(folder_of(workdir, "pretrain", name, config), body)


def _estimate(config: PretrainConfig, setting: Setting) -> list[Estimate]:
    check_resize(config.data)
    if config.network is not None:
        return []
    name = f"pretrain, {config.train.objective.name}"
    sizes = sizes_of(config.data)
    return [estimate_training(name, sizes, config.model, config.train, setting.devices)]


def _name(config: PretrainConfig) -> str:
    """Return what a run folder is called: without labels by the task, else by the objective."""
    if config.network is not None:
        return "taken"
    objective, task = str(config.train.objective.name), config.data.task
    if task is None or not task.makes_views:
        return objective
    return task.name if objective == "natural" else f"{task.name}-{objective}"


STAGE = Stage(
    PretrainConfig,
    run=lambda config, _, workdir, name, devices: pretrain(config, workdir, name, devices),
    name=_name,
    estimate=_estimate,
)
