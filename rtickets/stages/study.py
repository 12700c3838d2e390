"""Studies: a grid of stages from pretraining to evaluation, and the cells it measures."""

import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rtickets import stages
from rtickets.errors import (
    ChangedError,
    InUseError,
)
from rtickets.platform import console, parallel, processes
from rtickets.runs.consent import NONE, Consent, attempt
from rtickets.runs.folders import RunFolder, begin_run, folder_of, run_once
from rtickets.runs.workers import ALONE, Worker, claim
from rtickets.stages import study_progress
from rtickets.stages.comparison import all_gains
from rtickets.stages.gap_reading import gap_readings
from rtickets.stages.grid import (
    Cell,
    SourceNetwork,
    name_of,
    ticket_of,
    transfer_of,
    units_of,
)
from rtickets.stages.matching import matching
from rtickets.stages.results import (
    headline_of,
    read_evaluation,
    read_study,
    with_signs_of_draw,
)
from rtickets.stages.rungs import choice_of
from rtickets.stages.study_checks import check_study
from rtickets.stages.study_failures import is_known, reason_of
from rtickets.stages.study_settings import StudyConfig
from rtickets.stages.study_tickets import Where, pretrained
from rtickets.stages.together import Place, train_with_others
from rtickets.storage import workdirs
from rtickets.storage.files import remove_file
from rtickets.storage.run_files import COMPLETE


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
    units = list(units_of(config))
    if consent.retry_failed:
        processes.on_primary(lambda: _reopen(study))
    retried: set[Path] = set()
    check = partial(check_study, config, devices, workdir)
    if attempt(lambda: begin_run(study, check), consent, retried):
        return study
    study_progress.begin_study(study.path, [unit._asdict() for unit in units])

    # Stages that several units share are found done by all but the first of them.
    place = Place(study.path, workdir, devices, set())
    run_stages = partial(_run_unit, config, place=place)

    def run(number: int) -> None:
        place = f"{number + 1} of {len(units)}: {name_of(units[number])}"
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
        reason = reason_of(error)
        if reason is None:
            raise
        if not is_known(error):  # of memory that ends, or a fault: a line would not tell where
            traceback.print_exc()
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


def _reopen(study: RunFolder) -> None:
    """Make a study that ended with failures, or is at work, forget them."""
    workdirs.refresh(study.path)
    if study.complete and read_study(study).get("failed"):
        remove_file(study.path / COMPLETE)
    if not study.complete:
        study_progress.forget_failures(study.path)


def _run_unit(config: StudyConfig, unit: SourceNetwork | Cell, *, place: Place) -> UnitRuns:
    workdir, devices = place.workdir, place.devices
    if isinstance(unit, Cell):
        return run_cell(config, unit, workdir, devices, place)
    network = pretrained(config, unit.seed, unit.objective, Where(workdir, devices))
    name = f"source-{unit.objective}-s{unit.seed}"
    evaluation = stages.evaluate(config.evaluate, network.source, workdir, name, devices)
    return UnitRuns(network, evaluation)


def run_cell(
    config: StudyConfig,
    cell: Cell,
    workdir: Path,
    devices: parallel.Devices,
    place: Place | None = None,
) -> UnitRuns:
    """Run one cell of `grid(config)`: pretrain, draw, transfer and evaluate, each unless done.

    Args:
        place: of the study, whose cells may be trained together; None runs the cell alone.
    """
    ticket = ticket_of(config, cell, Where(workdir, devices))
    asked = transfer_of(config, cell, ticket)
    if place is not None:
        train_with_others(config, cell, asked, place)
    trained = stages.transfer(asked.config, asked.source, workdir, asked.name, devices)
    evaluation = stages.evaluate(config.evaluate, trained.source, workdir, asked.name, devices)
    return UnitRuns(ticket, evaluation, trained)
