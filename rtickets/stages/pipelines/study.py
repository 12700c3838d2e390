"""A comparison of pipelines, cell by cell: what is done is never done again.

Stages that cells share have one run folder in the workdir. A cell leaves a JSON file in the study's
folder when it is measured, so that a study that was stopped goes on with those that are missing,
and what is there can be reported at any time.
"""

import traceback
from functools import partial
from pathlib import Path
from typing import Any

from rtickets import masks, stages
from rtickets.errors import ChangedError, InUseError
from rtickets.platform import console, parallel
from rtickets.runs.consent import NONE, Consent, attempt
from rtickets.runs.folders import RunFolder, begin_run, folder_of, run_once
from rtickets.stages import study_progress
from rtickets.stages.pipelines.cells import Cell, cells_of
from rtickets.stages.pipelines.checks import check_study
from rtickets.stages.pipelines.networks import Place, masked, pruned, trained
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.stages.results import headline_of, read_evaluation
from rtickets.stages.search_accounts import account, layers_of, living_channels
from rtickets.stages.study_failures import is_known, reason_of
from rtickets.storage.files import read_json, write_json
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket

STAGE = "pipelines"
_CELLS = "cells"


def folder_of_study(config: PipelineStudyConfig, workdir: Path) -> RunFolder:
    """Return the folder of a study; nothing is made."""
    return folder_of(workdir, STAGE, config.name, config)


def run_pipelines(
    config: PipelineStudyConfig,
    workdir: Path,
    devices: parallel.Devices,
    *,
    consent: Consent = NONE,
) -> RunFolder:
    """Run every cell that is missing, and return the study's folder, whose result has all cells.

    Raises:
        InputError: for data, batches or tasks that do not fit, before anything is trained.
    """
    study, cells = folder_of_study(config, workdir), list(cells_of(config))
    retried: set[Path] = set()
    if attempt(lambda: begin_run(study, lambda: check_study(config, devices)), consent, retried):
        return study
    place = Place(config, workdir, devices)
    study_progress.begin_study(study.path, [cell._asdict() for cell in cells])
    for number, cell in enumerate(cells):
        file = _file(study.path, cell)
        known = read_json(file) if file.exists() else None
        if known is None or (consent.retry_failed and "failed" in known):
            study_progress.open_again(study.path, number)
            known = _run_or_note(place, cell, consent, retried)
            file.parent.mkdir(exist_ok=True)
            write_json(file, known)
            console.say(f"{number + 1} of {len(cells)}, {cell.name}: {_said(known)}")
        _count(study.path, number, known)
    return run_once(study, lambda folder: {"cells": read_cells(config, folder)})


def read_cells(config: PipelineStudyConfig, folder: Path) -> list[dict[str, Any]]:
    """Return the cells of a study that are there, in their order."""
    files = [_file(folder, cell) for cell in cells_of(config)]
    return [read_json(file) for file in files if file.exists()]


def _file(folder: Path, cell: Cell) -> Path:
    return folder / _CELLS / f"{cell.name}.json"


def _count(study: Path, number: int, found: dict[str, Any]) -> None:
    """Write down that a cell is done, or failed, for `rtickets status`."""
    if "failed" in found:
        study_progress.failed(study, number, found["failed"])
    else:
        study_progress.done(study, number)


def _said(found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"FAILED: {found['failed']}"
    return f"{found['shown']}, {found['multiply_adds']['sparse']:,} multiply-adds"


def _run_or_note(place: Place, cell: Cell, consent: Consent, retried: set[Path]) -> dict[str, Any]:
    """Return what came of a cell, or why it failed."""
    try:
        return attempt(partial(_run, place, cell), consent, retried)
    except (InUseError, ChangedError):  # no fault of the cell: it can be done later
        raise
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        if not is_known(error):
            traceback.print_exc()
        return {**cell._asdict(), "failed": reason}


def _run(place: Place, cell: Cell) -> dict[str, Any]:
    config = place.config
    folder = trained(place, cell)
    evaluation = stages.evaluate(
        config.evaluate, folder.source, place.workdir, cell.name, place.devices
    )
    found = read_evaluation(evaluation)
    headline = headline_of(found)
    return {
        **cell._asdict(),
        "network": folder.path.name,
        "evaluation": evaluation.path.name,
        "measure": headline.called,
        "unit": headline.unit,
        "shown": headline.say(found["clean"]["value"]),
        **{name: found["clean"].get(name) for name in ("value", "low", "high", "chance")},
        **_accounts(place, cell, folder),
    }


def _accounts(place: Place, cell: Cell, folder: RunFolder) -> dict[str, Any]:
    """Return what the network of a cell takes.

    Its channels are those of the ticket whose mask it has: normalisation of whole networks whose
    weights it got lives everywhere. A random mask is one of the whole network.
    """
    own, searching = place.config.pipelines[cell.pipeline], place.config.searching
    ticket = Ticket.load(folder.path / "ticket")
    architecture = masked(place, cell) if own.survivors == "random" else pruned(place, cell)
    alive = living_channels(Ticket.load(architecture.path / "ticket").params)
    whole = masks.full(ticket.params, searching.prunable, searching.exclude)
    about = provenance.inputs_of(ticket.meta), whole, alive
    layers = {path: each._asdict() for path, each in layers_of(ticket, *about).items()}
    return {**account(ticket, *about), "layers": layers}
