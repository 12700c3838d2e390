"""The networks of pipelines, made by the stages that there are, each unless it is done already."""

from pathlib import Path
from typing import NamedTuple

from rtickets import stages
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, find_ticket
from rtickets.settings import config_files
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.pipelines.cells import Cell, written
from rtickets.stages.pipelines.settings import PipelineConfig, PipelineStudyConfig
from rtickets.stages.search import search
from rtickets.stages.ways.given import Given


class Place(NamedTuple):
    """Where stages run: see `rtickets.stages.study_tickets.Where`."""

    config: PipelineStudyConfig
    workdir: Path
    devices: parallel.Devices


def found(place: Place, cell: Cell) -> RunFolder:
    """Return the training run that a cell begins with."""
    return _run(place, cell, place.config.pipelines[cell.pipeline])


def _run(place: Place, cell: Cell, pipeline: PipelineConfig) -> RunFolder:
    asked = place.config.search(pipeline, cell.task, cell.sparsity, cell.seed)
    kind = f"{pipeline.search}{written(asked.searching.sparsity)}"
    name = f"{kind}-{cell.task}-s{cell.seed}"
    return search(asked, place.workdir, name, place.devices)


def pruned(place: Place, cell: Cell) -> RunFolder:
    """Return the ticket of a cell: what its run leaves, pruned by its criterion if it has one.

    The sparsity is of the weights of living channels, as in the events of a search.
    """
    config, own = place.config, place.config.pipelines[cell.pipeline]
    run = found(place, cell)
    if own.criterion is None:
        return run
    result, searching, batch = run.result(), config.searching, config.train.batch_size
    living = result["survivors"] / result["prunable"]
    draw = DrawConfig(
        sparsity=1 - (1 - cell.sparsity) * living,
        criterion=own.criterion,
        prunable=searching.prunable,
        exclude=searching.exclude,
        floor=searching.floor,
        recalibrate=RecalibrateConfig(searching.calibration_batches, batch),
    )
    if draw.how.from_data:
        draw = config_files.replace(draw, examples=config.examples, batch_size=batch)
    if draw.seeded:
        draw = config_files.replace(draw, seed=cell.seed)
    return stages.draw(
        draw, run.source, place.workdir, f"{own.criterion}-{cell.name}", place.devices
    )


def masked(place: Place, cell: Cell) -> RunFolder:
    """Return the ticket of a cell as it is trained on: with the mask and the weights asked for."""
    own, ticket = place.config.pipelines[cell.pipeline], pruned(place, cell)
    if own.weights == "own":
        return ticket
    searching = place.config.searching
    draw = DrawConfig(
        method=Given(mask=str(ticket.path)),
        sparsity=ticket.result()["sparsity"],
        control="random" if own.survivors == "random" else None,
        prunable=searching.prunable,
        exclude=searching.exclude,
        seed=cell.seed if own.survivors == "random" else 0,
    )
    whole = _whole(place, cell, own)
    name = f"{own.survivors}-{own.weights}-{cell.name}"
    return stages.draw(draw, whole, place.workdir, name, place.devices)


def _whole(place: Place, cell: Cell, own: PipelineConfig) -> StartingTicket:
    """Return the whole network that gives its weights."""
    if own.weights == "dense":
        return _run(place, cell, PipelineConfig("dense")).source
    return find_ticket(str(found(place, cell).path / own.weights))


def trained(place: Place, cell: Cell) -> RunFolder:
    """Return the network of a cell as it is measured."""
    config, own = place.config, place.config.pipelines[cell.pipeline]
    ticket = masked(place, cell)
    if own.then == "nothing":
        return ticket
    asked = config.follows(own, cell.target, cell.seed)
    return stages.transfer(asked, ticket.source, place.workdir, cell.name, place.devices)
