"""Studies: a grid of stages from pretraining to evaluation, and the cells it measures."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rtickets import stages
from rtickets.errors import (
    ChangedError,
    FailedBeforeError,
    InputError,
    InUseError,
    NonFiniteLossError,
    Preempted,
)
from rtickets.platform import console, parallel, preemption, processes
from rtickets.runs.consent import NONE, Consent, attempt
from rtickets.runs.folders import RunFolder, begin_run, folder_of, run_once
from rtickets.runs.workers import ALONE, Worker, claim
from rtickets.settings import config_files
from rtickets.stages import study_progress
from rtickets.stages.comparison import all_gains
from rtickets.stages.gap_reading import gap_readings
from rtickets.stages.matching import matching
from rtickets.stages.points import DENSE, ticket_words
from rtickets.stages.results import (
    headline_of,
    read_evaluation,
    read_study,
    with_signs_of_draw,
)
from rtickets.stages.rungs import choice_of
from rtickets.stages.study_checks import check_study
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.study_tickets import Where, drawn, pretrained


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


class UnitRuns(NamedTuple):
    """The two folders that one number of a report is about.

    Attributes:
        ticket: the drawn ticket; the pretrained network where nothing was drawn.
        evaluation: what was measured, after the transfer if there is one.
        transfer: the transfer, None of a source network.
    """

    ticket: RunFolder
    evaluation: RunFolder
    transfer: RunFolder | None = None


class SourceNetwork(NamedTuple):
    """A pretrained network, measured on its own task.

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


def run_study(
    config: StudyConfig,
    workdir: Path,
    devices: parallel.Devices,
    worker: Worker = ALONE,
    *,
    consent: Consent = NONE,
) -> RunFolder:
    """Run every stage of a study that is not done yet, beside other workers if there are any.

    Args:
        workdir: where run folders lie; stages that another study did there are not done again.
        worker: which of several workers this is, see `rtickets.runs.workers`.
        consent: to trying again what failed before, and to going on under other settings.

    Returns:
        The study's folder; its result lists the cells, the source networks, and under 'failed'
        those of both that could not be measured, with the reason. It is complete unless there are
        other workers and they are still at the last cells.

    Raises:
        InputError: for data, batches or patterns that do not fit, before anything is trained.
    """
    study = folder_of(workdir, "study", config.name, config)
    units = list(_units(config))
    if consent.retry_failed:
        processes.on_primary(lambda: _reopen(study))
    retried: set[Path] = set()
    check = partial(check_study, config, devices)
    if attempt(lambda: begin_run(study, check), consent, retried):
        return study
    study_progress.begin_study(study.path, [unit._asdict() for unit in units])

    # Stages that several units share are found done by all but the first of them.
    run_stages = partial(_run_unit, config, workdir=workdir, devices=devices)

    def run(number: int) -> None:
        place = f"{number + 1} of {len(units)}: {_name(units[number])}"
        run_one = partial(attempt, partial(run_stages, units[number]), consent, retried)
        _run_or_note(study.path, number, place, run_one)

    if not claim([partial(run, number) for number in range(len(units))], worker):
        return study
    # Of several workers one writes the result.
    body = partial(_result, units=units, run_stages=run_stages, config=config)
    claim([lambda: run_once(study, body)], worker)
    return study


def _run_or_note(study: Path, number: int, place: str, run: Callable[[], UnitRuns]) -> None:
    """Run a unit, unless it failed before in this study, and note how it ended."""
    if number in processes.on_primary(lambda: list(study_progress.failures(study))):
        return
    try:
        folder = run().evaluation
    except (InUseError, ChangedError):  # no fault of the unit: it can be done later
        raise
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        study_progress.failed(study, number, reason)
        console.say(f"{place}: FAILED: {reason}")
        return
    if study_progress.done(study, number):
        found = read_evaluation(folder)
        console.say(f"{place}: {headline_of(found).say(found['clean']['value'])}")


def _result(
    study: Path,
    units: Sequence[SourceNetwork | Cell],
    run_stages: Callable[[SourceNetwork | Cell], UnitRuns],
    config: StudyConfig,
) -> dict[str, Any]:
    """Return what a study found, once all of its units are done or failed."""
    reasons = processes.on_primary(lambda: list(study_progress.failures(study).items()))
    failed: dict[int, str] = dict(reasons)
    results: dict[str, list[dict[str, Any]]] = {"cells": [], "sources": [], "failed": []}
    folders: dict[str, Path] = {}
    for number, unit in enumerate(units):
        kind = "cells" if isinstance(unit, Cell) else "sources"
        if number in failed:
            results["failed"].append({"kind": kind, **unit._asdict(), "reason": failed[number]})
            continue
        # Units are walked through again, though all are done: only so does one process know the
        # folders that others made, and stages that are complete cost nothing.
        ticket, evaluation, transfer = run_stages(unit)
        read_evaluation(evaluation)  # complains of what is no result
        folders[evaluation.path.name] = evaluation.path
        found = {"ticket": ticket.path.name, "evaluation": evaluation.path.name}
        found |= {} if transfer is None else {"trained": transfer.path.name}
        chosen = choice_of({} if transfer is None else transfer.result())
        measured = with_signs_of_draw(evaluation.result(), ticket.result())
        results[kind].append({**unit._asdict(), **found, **chosen, **measured})
    # Read in the primary process alone: others may not have the files yet.
    cells = results["cells"]
    gains = processes.on_primary(lambda: all_gains(cells, config.baseline, folders))
    readings = gap_readings(cells, gains, config)
    more = {"gap_readings": readings, "matching": matching(cells, config)}
    return {**results, "gains": gains, **{name: each for name, each in more.items() if each}}


def _reason(error: Exception) -> str | None:
    """Return why a unit failed, or None for an error that ends the study.

    These are a disk or another process that fails, a request to stop, and what only one of several
    processes may have met: the others would wait for it.
    """
    if isinstance(error, FailedBeforeError):
        return error.reason
    if isinstance(error, (InputError, NonFiniteLossError)):
        return str(error)
    ends = isinstance(error, (OSError, Preempted)) or preemption.interrupted()
    if ends or jax.process_count() > 1:
        return None
    traceback.print_exc()  # of memory that ends, or a fault: a line would not tell where
    lines = str(error).strip().splitlines() or ["it says nothing"]
    return f"{type(error).__name__}: {lines[0]}"


def _reopen(study: RunFolder) -> None:
    """Make a study that ended with failures, or is at work, forget them."""
    if study.complete and read_study(study).get("failed"):
        (study.path / "COMPLETE").unlink()
    if not study.complete:
        study_progress.forget_failures(study.path)


def _units(config: StudyConfig) -> Iterator[SourceNetwork | Cell]:
    """Yield what a study measures, in the order of its result: source networks, then cells."""
    for seed in config.seeds:
        for objective in config.branches:
            yield SourceNetwork(seed, objective)
    yield from grid(config)


def _run_unit(
    config: StudyConfig, unit: SourceNetwork | Cell, *, workdir: Path, devices: parallel.Devices
) -> UnitRuns:
    if isinstance(unit, Cell):
        return run_cell(config, unit, workdir, devices)
    network = pretrained(config, unit.seed, unit.objective, Where(workdir, devices))
    name = f"source-{unit.objective}-s{unit.seed}"
    evaluation = stages.evaluate(config.evaluate, network.source, workdir, name, devices)
    return UnitRuns(network, evaluation)


def run_cell(config: StudyConfig, cell: Cell, workdir: Path, devices: parallel.Devices) -> UnitRuns:
    """Run one cell of `grid(config)`: pretrain, draw, transfer and evaluate, each unless done."""
    ticket = drawn(
        config, cell.seed, cell.objective, cell.draw, cell.sparsity, Where(workdir, devices)
    )
    kind = DENSE if cell.draw == DENSE else f"{cell.draw}{cell.sparsity:.4g}"
    name = f"{cell.transfer}-{kind}-{cell.objective}-s{cell.seed}"
    downstream = config_files.replace(config.transfers[cell.transfer], train__seed=cell.seed)
    trained = stages.transfer(downstream, ticket.source, workdir, name, devices)
    evaluation = stages.evaluate(config.evaluate, trained.source, workdir, name, devices)
    return UnitRuns(ticket, evaluation, trained)


def _name(unit: SourceNetwork | Cell) -> str:
    if isinstance(unit, SourceNetwork):
        return f"{unit.objective}, source network, seed {unit.seed}"
    kind = ticket_words(unit.draw, unit.sparsity) + " remaining" * (unit.draw != DENSE)
    return f"{unit.objective}, {kind}, {unit.transfer}, seed {unit.seed}"
