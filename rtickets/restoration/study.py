"""A comparison of ways to restore pictures, cell by cell: what is done is never done again.

A cell is a picture, a seed, a method and a sparsity. It leaves a JSON file, and what it painted
beside it, in the folder that the configuration's digest names; a study that was killed goes on with
the cells that are missing, and ends with the same numbers.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.masks import Mask
from rtickets.platform import console
from rtickets.restoration.fitting import Fitted, fit
from rtickets.restoration.generators import Painter, make_painter
from rtickets.restoration.initial_masks import density_by_layer, initial_mask, nothing_removed
from rtickets.restoration.iterative import iterate
from rtickets.restoration.learning import learn_mask
from rtickets.restoration.mask_files import load_mask, save_mask
from rtickets.restoration.outcome import outcome_of
from rtickets.restoration.pictures import open_named
from rtickets.restoration.problem import Problem, spoil
from rtickets.restoration.study_settings import UNMASKED, RestorationStudyConfig
from rtickets.settings import config_files
from rtickets.storage.files import read_json, write_bytes, write_json

_FRESH = 1000  # added to a seed for weights that a mask was not learnt on


class Cell(NamedTuple):
    """One number of a study.

    Attributes:
        picture: name of the picture.
        seed: see the configuration.
        method: likewise, or 'transfer'.
        sparsity: 0 for methods without a mask.
        source: of a mask that is transferred, the picture it was learnt on.
        fresh: whether its weights are others than those that it was learnt on.
    """

    picture: str
    seed: int
    method: str
    sparsity: float = 0.0
    source: str = ""
    fresh: bool = False

    @property
    def name(self) -> str:
        """The name of its files."""
        parts = [Path(self.picture).stem, f"seed{self.seed}", self.method]
        parts += [f"{self.sparsity:g}"] if self.sparsity else []
        parts += [Path(self.source).stem] if self.source else []
        return "-".join(parts + (["fresh"] if self.fresh else []))


def cells_of(config: RestorationStudyConfig) -> Iterator[Cell]:
    """Yield the cells, seed by seed, so that a study that is stopped has whole seeds."""
    for seed in config.seeds:
        for picture in config.pictures:
            for method in config.all_methods:
                for sparsity in (0.0,) if method in UNMASKED else config.sparsities:
                    yield Cell(picture, seed, method, sparsity)
        if not (config.transfer and "learnt" in config.all_methods):
            continue
        for source in config.pictures:
            for picture in config.pictures:
                for fresh in (False, True):
                    if fresh or source != picture:
                        for sparsity in config.sparsities:
                            yield Cell(picture, seed, "transfer", sparsity, source, fresh)


def run_study(config: RestorationStudyConfig, workdir: Path) -> Path:
    """Run the cells that are missing, and return the study's folder."""
    values = config_files.to_dict(config)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
    folder = workdir / f"restoration-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", values)
    cells = list(cells_of(config))
    images = {name: open_named(name, config.size) for name in config.pictures}
    for number, cell in enumerate(cells, 1):
        file = folder / f"{cell.name}.json"
        if file.exists():
            continue
        problem = spoil(images[cell.picture], config.operator, config.sigma, cell.seed)
        found = _run(cell, problem, config, folder)
        write_json(file, found)
        outcome = found["outcome"]
        console.say(
            f"{number}/{len(cells)} {cell.name}: peak {outcome['peak']:.2f}, final "
            f"{outcome['final']:.2f} dB, {outcome['verdict']}"
        )
    write_json(
        folder / "result.json", {"cells": [read_json(folder / f"{c.name}.json") for c in cells]}
    )
    return folder


def _run(cell: Cell, problem: Problem, config: RestorationStudyConfig, folder: Path) -> Any:
    own = config.decoder if cell.method == "decoder" else config.generator
    seed = cell.seed + _FRESH * cell.fresh
    painter = make_painter(own, problem.shape, seed)
    training = config.training
    if cell.method == "sgld":
        training = config_files.replace(config.sgld, steps=training.steps, every=training.every)
    mask, notes = _mask(cell, painter, problem, config, folder)
    fitted = fit(painter, mask, problem, training, cell.seed)
    return _record(cell, fitted, problem, mask, notes, folder)


def _mask(
    cell: Cell, painter: Painter, problem: Problem, config: RestorationStudyConfig, folder: Path
) -> tuple[Mask, dict[str, Any]]:
    """Return the mask of a cell, and what is to be noted of it."""
    if cell.method in UNMASKED:
        return nothing_removed(painter.params), {}
    settings = config.masks_at(cell.sparsity)
    if cell.method == "transfer":
        learnt = Cell(cell.source, cell.seed, "learnt", cell.sparsity)
        return load_mask(folder / "tickets" / learnt.name, painter.params), {}
    if cell.method == "learnt":
        found = learn_mask(painter, problem, settings, cell.seed)
        save_mask(folder / "tickets" / cell.name, painter, found.mask, config.generator, settings)
        notes = found._asdict()
        notes.pop("mask")
        return found.mask, notes
    if cell.method == "imp":
        rounds = list(iterate(painter, problem, settings, config.training, rate=config.imp_rate))
        return rounds[-1].mask, {"rounds": [outcome_of(r.fitted, problem).final for r in rounds]}
    criterion: Any = cell.method
    published = config.published
    return initial_mask(painter, problem, criterion, settings, cell.seed, published=published), {
        "published": published
    }


def _record(
    cell: Cell, fitted: Fitted, problem: Problem, mask: Mask, notes: Any, folder: Path
) -> dict[str, Any]:
    painted = (255 * np.clip(fitted.picture, 0, 1)).round().astype(np.uint8)
    write_bytes(folder / f"{cell.name}.raw", painted.tobytes())
    return {
        **cell._asdict(),
        "name": cell.name,
        "shape": list(painted.shape),
        "outcome": outcome_of(fitted, problem)._asdict(),
        "history": [list(point) for point in fitted.history],
        "density": density_by_layer(mask),
        "notes": notes,
    }
