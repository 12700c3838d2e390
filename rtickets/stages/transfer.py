"""Training a ticket on a downstream task."""

from pathlib import Path
from typing import Any

from rtickets import data, evaluation, masks
from rtickets.costs import Estimate, Setting
from rtickets.costs.runs import estimate_training
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.stages.recalibrate import recalibrate, recalibration_work
from rtickets.stages.settings import TransferConfig
from rtickets.stages.stage import Stage
from rtickets.stages.train import (
    Ready,
    prepare,
    train_network,
    training_result,
    write_ticket,
)
from rtickets.tasks import task_of
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training import Trainable


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
        ready = prepare(ticket, config.data, config.train.seed, config.normalization)
        meta = provenance.extend(ready.meta, "transfer", config, config.data, config.train.seed)
        run = ready.run(config.train, folder, devices)
        trainable: Trainable = "all" if config.mode == "finetune" else "head"
        weights = (ready.params, _statistics(config, ticket, ready))
        outcome = train_network(run, weights, ready.mask, trainable=trainable)
        trained = Ticket(ready.mask, outcome.params, outcome.batch_stats, meta)
        write_ticket(folder / "ticket", trained)
        return {**training_result(folder, outcome), "moves": config.moves}

    return run_once(folder_of(workdir, "transfer", name, config, source), body)


def _statistics(config: TransferConfig, ticket: Ticket, ready: Ready) -> Any:
    """Return the normalisation statistics that training starts from."""
    params = masks.apply(ready.mask, ready.params)
    network = evaluation.Network(ready.model, params, ticket.batch_stats)
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
    on = task
    if config.recalibrate is not None and config.recalibrate.on == "source":
        on = setting.task_of(None)
    work = recalibration_work(config.recalibrate, on, setting.model_for(task))
    about = (*found.about, f"moves {config.moves}")
    found = found._replace(about=about, operations=found.operations + work)
    return setting.noted(found, task)


STAGE = Stage(
    TransferConfig,
    run=transfer,
    name=lambda config: f"{config.data.source}-{config.mode}",
    estimate=lambda config, setting: [
        estimate_transfer(config, setting, f"transfer, {config.mode}")
    ],
)
