"""Studies: a grid of stages from pretraining to evaluation, and the cells it measures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rtickets import config_files, console, data, parallel, stages, training
from rtickets.config import DataConfig, StudyConfig, TrainConfig
from rtickets.draw.omp import check_pattern
from rtickets.errors import InputError
from rtickets.loop import steps_per_epoch
from rtickets.runs import RunFolder, folder_of, run_once
from rtickets.stages.iterate import rewind_steps

DENSE = "dense"


class Cell(NamedTuple):
    """One point of the grid.

    Attributes:
        seed: of the whole chain.
        objective: label of the pretraining objective.
        draw: label of the way of drawing, or 'dense'.
        sparsity: removed fraction; 0 for 'dense'.
        transfer: label of the downstream run.
    """

    seed: int
    objective: str
    draw: str
    sparsity: float
    transfer: str


class CellFolders(NamedTuple):
    """The two folders that one cell of a report is about.

    Attributes:
        ticket: the drawn ticket; the pretrained network of a dense cell.
        evaluation: what was measured after the transfer.
    """

    ticket: RunFolder
    evaluation: RunFolder


def grid(config: StudyConfig) -> Iterator[Cell]:
    """Yield the cells of a study in the order they run."""
    for seed in config.seeds:
        for objective in config.objectives:
            tickets = [(DENSE, 0.0)]
            tickets += [(draw, s) for draw in config.draws for s in config.ladder(draw)]
            for draw, sparsity in tickets:
                for transfer in config.transfers:
                    yield Cell(seed, objective, draw, sparsity, transfer)


def run_study(config: StudyConfig, workdir: Path, devices: parallel.Devices) -> RunFolder:
    """Run every stage of a study that is not done yet.

    Args:
        config: the grid.
        workdir: where run folders lie; stages that another study did there are not done again.
        devices: where to compute.

    Returns:
        The study's complete folder; its result lists the cells and the source networks.

    Raises:
        InputError: for data, batches or patterns that do not fit, before anything is trained.
    """

    def body(folder: Path) -> dict[str, Any]:
        del folder
        check_study(config, devices)
        sources = []
        for seed in config.seeds:
            for objective in config.objectives:
                network = _pretrain(config, seed, objective, workdir, devices)
                name = f"source-{objective}-s{seed}"
                measured = stages.evaluate(
                    config.evaluate, network.source, workdir, name, devices
                ).result()
                sources.append({"seed": seed, "objective": objective, **measured})
        cells = list(grid(config))
        results = []
        for number, cell in enumerate(cells, 1):
            ticket, evaluation = run_cell(config, cell, workdir, devices)
            measured = evaluation.result()
            results.append({**cell._asdict(), "ticket": ticket.path.name, **measured})
            console.say(f"cell {number} of {len(cells)}: {_describe(cell, measured)}")
        return {"cells": results, "sources": sources}

    return run_once(folder_of(workdir, "study", config.name, config), config, body)


def check_study(config: StudyConfig, devices: parallel.Devices) -> None:
    """Look at everything that could fail late, before hours of training.

    Args:
        config: the study.
        devices: where it will run.

    Raises:
        InputError: for a data set that cannot be loaded, a batch that does not fit its data or the
            devices, or a sparsity that its way of drawing cannot give.
    """
    _check_run("pretrain", config.pretrain.data, config.pretrain.train, devices)
    for label, run in config.transfers.items():
        _check_run(label, run.data, run.train, devices)
    for label, draw in config.draws.items():
        for sparsity in config.ladder(label):
            own = config_files.replace(draw, sparsity=sparsity)
            check_pattern(own.pattern, own.drawn_sparsity)
            if own.method == "imp" and own.drawn_sparsity == 0:
                raise InputError(f"{label}: sparsity=0 prunes nothing; leave it out of its ladder")
        if draw.train is not None:
            task = draw.data or config.pretrain.data
            rewind_steps(draw, _check_run(label, task, draw.train, devices))


def _check_run(label: str, task: DataConfig, train: TrainConfig, devices: parallel.Devices) -> int:
    """Return the number of steps per epoch of a training run that can start."""
    try:
        training.check_batch_size(train, devices)
        return steps_per_epoch(len(data.load(task).train), train.batch_size)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def run_cell(
    config: StudyConfig, cell: Cell, workdir: Path, devices: parallel.Devices
) -> CellFolders:
    """Run one cell: pretrain, draw, transfer and evaluate, each unless done.

    Args:
        config: the study.
        cell: one of `grid(config)`.
        workdir: where run folders lie.
        devices: where to compute.

    Returns:
        The complete folders of the ticket before its transfer, and of the evaluation after it.
    """
    name = f"{cell.objective}-s{cell.seed}"
    ticket = _pretrain(config, cell.seed, cell.objective, workdir, devices)
    if cell.draw != DENSE:
        draw = config_files.replace(config.draws[cell.draw], sparsity=cell.sparsity)
        if draw.seeded or draw.control is not None:
            draw = config_files.replace(draw, seed=cell.seed)
        if draw.train is not None:
            draw = config_files.replace(draw, train__seed=cell.seed)
        name = f"{cell.draw}{cell.sparsity:.4g}-{name}"
        ticket = stages.draw(draw, ticket.source, workdir, name, devices)
    else:
        name = f"{DENSE}-{name}"
    name = f"{cell.transfer}-{name}"
    downstream = config_files.replace(config.transfers[cell.transfer], train__seed=cell.seed)
    trained = stages.transfer(downstream, ticket.source, workdir, name, devices)
    evaluation = stages.evaluate(config.evaluate, trained.source, workdir, name, devices)
    return CellFolders(ticket, evaluation)


def _pretrain(
    config: StudyConfig, seed: int, objective: str, workdir: Path, devices: parallel.Devices
) -> RunFolder:
    chosen = config.objectives[objective]
    pretrain = config_files.replace(config.pretrain, train__objective=chosen, train__seed=seed)
    return stages.pretrain(pretrain, workdir, f"{objective}-s{seed}", devices)


def _describe(cell: Cell, measured: dict[str, Any]) -> str:
    kind = DENSE if cell.draw == DENSE else f"{cell.draw} {1 - cell.sparsity:.0%} remaining"
    accuracy = measured["clean"]["value"]
    return f"{cell.objective}, {kind}, {cell.transfer}, seed {cell.seed}: {accuracy:.1%}"
