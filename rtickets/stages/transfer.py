"""Training a ticket on a downstream task."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rtickets import data, evaluation, masks, models
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import TaskSizes, cost_of
from rtickets.errors import NonFiniteLossError
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.settings.kinds import to_steps
from rtickets.stages import cached
from rtickets.stages.recalibrate import recalibrate, recalibration_work
from rtickets.stages.rungs import train_rungs, write_rungs
from rtickets.stages.settings import Rung, TransferConfig
from rtickets.stages.stage import Stage
from rtickets.stages.train import (
    Ready,
    TrainingRun,
    prepare,
    train_network,
    training_result,
    write_ticket,
)
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training import Trainable
from rtickets.training.heads import HeadFit
from rtickets.training.selection import Outcome


def transfer(
    config: TransferConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
) -> RunFolder:
    """Train a ticket on a downstream task, under a fresh head; see `Stage.run`."""

    def body(folder: Path) -> dict[str, Any]:
        ticket = Ticket.load(source.ticket)
        pixels = config.pixel_mean, config.pixel_std
        how = config.train.seed, config.normalization
        ready = prepare(ticket, config.data, *how, pixels=pixels)
        if config.features == "cached":
            cached.check(config, ready)
        run = ready.run(config.train, folder, devices)
        trainable: Trainable = "all" if config.mode == "finetune" else "head"
        weights = (ready.params, _statistics(config, ticket, ready))

        def train(run: TrainingRun) -> Outcome:
            return train_network(run, weights, ready.mask, trainable=trainable)

        def write(rung: Rung, outcome: Outcome) -> None:
            seed = config.train.seed
            meta = provenance.extend(ready.meta, "transfer", config.at(rung), config.data, seed)
            trained = Ticket(ready.mask, outcome.params, outcome.batch_stats, meta)
            write_ticket(folder / "ticket", trained)

        if config.features == "cached":
            fits = cached.train_cached(run, weights, ready.mask, config.rungs)
            if len(fits) > 1:
                result = write_rungs(config, run, fits, write)
            else:
                result = _written(run, fits[0], partial(write, config.rungs[0]))
            return {**result, "moves": config.moves, "features": "cached"}
        if len(config.rungs) > 1:
            return {**train_rungs(config, run, train, write), "moves": config.moves}
        outcome = train(run)
        write(config.rungs[0], outcome)
        return {**training_result(folder, outcome), "moves": config.moves}

    return run_once(folder_of(workdir, "transfer", name, config, source), body)


def _written(run: TrainingRun, fit: HeadFit, write: Callable[[Outcome], None]) -> dict[str, Any]:
    """Write what became of a single head on cached features, and return its result."""
    cached.write_lines(run.folder, fit)
    if fit.outcome is None:
        raise NonFiniteLossError(
            f"{run.called}: {fit.failed}; lower train.optimizer.learning_rate or add a warmup"
        )
    write(fit.outcome)
    return training_result(run.folder, fit.outcome)


def _statistics(config: TransferConfig, ticket: Ticket, ready: Ready) -> Any:
    """Return the normalisation statistics that training starts from."""
    params = masks.apply(ready.mask, ready.params)
    network = evaluation.Network(ready.model, params, ready.batch_stats)
    task, dataset, transform = ready.task, ready.dataset, ready.transform
    if config.recalibrate is not None and config.recalibrate.on == "source":
        source, seed = provenance.last_task(ticket.meta)
        task, dataset = task_of(source), data.load(source, seed)
        transform = provenance.fitting_transform(source, ticket.meta).left_to_do(dataset)
    return recalibrate(config.recalibrate, network, task, dataset, transform)


def estimate_transfer(
    config: TransferConfig, setting: Setting, name: str, times: int = 1
) -> Estimate:
    """Estimate a transfer that a study runs so many times, see `estimate_training`."""
    task = setting.task_of(config.data)
    found = estimate_training(
        name, task, setting.model_for(task), config.train, setting.devices,
        trainable="all" if config.mode == "finetune" else "head", times=times,
    )  # fmt: skip
    rungs = len(config.rungs)
    about, operations = [*found.about, f"moves {config.moves}"], rungs * found.operations
    if rungs > 1:
        about.append(
            f"{rungs} trainings, {len(config.learning_rates) or 1} learning rates times "
            f"{len(config.weight_decays) or 1} weight decays, the best on validation images chosen"
        )
    if config.features == "cached":
        found, operations = _once(config, found, task, setting)
        about.append("features are computed once, and every head is trained on them")
    on = task
    if config.recalibrate is not None and config.recalibrate.on == "source":
        on = setting.task_of(None)
    operations += recalibration_work(config.recalibrate, on, setting.model_for(task))
    return setting.noted(found._replace(about=tuple(about), operations=operations), task)


def _once(
    config: TransferConfig, found: Estimate, task: TaskSizes, setting: Setting
) -> tuple[Estimate, float]:
    """Return an estimate with the memory of cached features, and the operations with them."""
    cached.check_data(config.data, task_of(config.data))
    own = setting.model_for(task)
    model = models.from_config(
        own, task.outputs, make_head=task.head, output_stride=task.backbone_stride
    )
    examples = task.train + task.validation
    width = cached.check_size(model, task.shape, examples)
    images = to_steps(config.train.duration, task.train // config.train.batch_size)
    images *= config.train.batch_size * len(config.rungs)
    # forward, and the gradients to weights and inputs, of a multiplication and an addition each
    heads = 6.0 * images * width * task.outputs
    forward = cost_of(own, task).forward
    memory = {**found.memory, "features": float(cached.FLOAT * examples * width)}
    return found._replace(memory=memory), forward * examples + heads


STAGE = Stage(
    TransferConfig,
    run=transfer,
    name=lambda config: f"{config.data.source}-{config.mode}",
    estimate=lambda config, setting: [
        estimate_transfer(config, setting, f"transfer, {config.mode}")
    ],
)
