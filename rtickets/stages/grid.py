"""The grid of a study: its cells, and the tickets and transfers of these."""

from collections.abc import Iterator
from typing import NamedTuple

from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.stages.points import DENSE, ticket_words
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.study_tickets import Where, drawn
from rtickets.stages.transfer import Asked


class Cell(NamedTuple):
    """One point of the grid.

    Attributes:
        seed: of the whole chain.
        objective: label of the pretraining.
        draw: label of the way of drawing, or 'dense'.
        sparsity: removed fraction; 0 for 'dense'.
        transfer: label of the downstream run.
    """

    seed: int
    objective: str
    draw: str
    sparsity: float
    transfer: str


class SourceNetwork(NamedTuple):
    """A network that was pretrained here, measured on its own task.

    Attributes:
        seed: of the pretraining.
        objective: label of the pretraining.
    """

    seed: int
    objective: str


def grid(config: StudyConfig) -> Iterator[Cell]:
    """Yield the cells of a study in the order they run."""
    for seed in config.seeds:
        for objective in config.branches:
            tickets = [(DENSE, 0.0)]
            tickets += [(draw, s) for draw in config.draws for s in config.ladder(draw)]
            for draw, sparsity in tickets:
                for transfer in config.transfers:
                    yield Cell(seed, objective, draw, sparsity, transfer)


def units_of(config: StudyConfig) -> Iterator[SourceNetwork | Cell]:
    """Yield what a study measures, in the order of its result: source networks, then cells."""
    for seed in config.seeds:
        for objective in config.branches:
            if config.pretraining(objective).network is None:  # else it may have no task
                yield SourceNetwork(seed, objective)
    yield from grid(config)


def ticket_of(config: StudyConfig, cell: Cell, where: Where) -> RunFolder:
    """Pretrain and draw the ticket of a cell, each unless done."""
    return drawn(config, cell.seed, cell.objective, cell.draw, cell.sparsity, where)


def transfer_of(config: StudyConfig, cell: Cell, ticket: RunFolder) -> Asked:
    """Return the transfer of a cell's ticket."""
    kind = DENSE if cell.draw == DENSE else f"{cell.draw}{cell.sparsity:.4g}"
    downstream = config_files.replace(config.transfers[cell.transfer], train__seed=cell.seed)
    name = f"{cell.transfer}-{kind}-{cell.objective}-s{cell.seed}"
    return Asked(downstream, ticket.source, name)


def name_of(unit: SourceNetwork | Cell) -> str:
    """Return what a study measures, in words."""
    if isinstance(unit, SourceNetwork):
        return f"{unit.objective}, source network, seed {unit.seed}"
    kind = ticket_words(unit.draw, unit.sparsity) + " remaining" * (unit.draw != DENSE)
    return f"{unit.objective}, {kind}, {unit.transfer}, seed {unit.seed}"
