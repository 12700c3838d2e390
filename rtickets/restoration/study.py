"""A comparison of ways to restore pictures, cell by cell: what is done is never done again.

A cell is a picture, a seed, a method and a sparsity. It leaves a JSON file, and what it painted
beside it, in the folder that the digest of the configuration and of its picture files names; a
study that was killed goes on with the cells that are missing, and ends with the same numbers.
"""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.data.images.pictures import read_file
from rtickets.masks import Mask
from rtickets.platform import console
from rtickets.restoration.fitting import Fitted, fit
from rtickets.restoration.generators import Painter, make_painter
from rtickets.restoration.initial_masks import density_by_layer, initial_mask, nothing_removed
from rtickets.restoration.iterative import iterate
from rtickets.restoration.learning import learn_mask
from rtickets.restoration.mask_files import load_mask, save_mask
from rtickets.restoration.outcome import Outcome, outcome_of
from rtickets.restoration.pictures import open_named
from rtickets.restoration.problem import Problem, spoil
from rtickets.restoration.sampling import sampled_picture
from rtickets.restoration.study_settings import UNMASKED, RestorationStudyConfig
from rtickets.settings import config_files
from rtickets.storage.files import read_json, write_bytes, write_json
from rtickets.storage.locks import locked

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
    """Yield the cells, whole seeds one after the other, and then those of transfers."""
    for seed in config.seeds:
        for picture in config.pictures:
            for method in config.all_methods:
                for sparsity in (0.0,) if method in UNMASKED else config.sparsities:
                    yield Cell(picture, seed, method, sparsity)
    if "learnt" in config.all_methods:
        yield from _transfers(config)


def _transfers(config: RestorationStudyConfig) -> Iterator[Cell]:
    every = itertools.product(
        config.seeds, config.pictures, config.pictures, config.transfer, config.sparsities
    )
    for seed, source, picture, weights, sparsity in every:
        if weights == "fresh" or source != picture:
            yield Cell(picture, seed, "transfer", sparsity, source, weights == "fresh")


def run_study(config: RestorationStudyConfig, workdir: Path) -> Path:
    """Run the cells that are missing, and return the study's folder.

    Raises:
        InUseError: if another process runs the same study there.
    """
    values = config_files.to_dict(config)
    named = json.dumps(values, sort_keys=True).encode()
    for name in config.pictures:  # another picture in the same file is another study
        named += read_file(Path(name)) if Path(name).suffix else b""
    folder = workdir / f"restoration-{hashlib.sha256(named).hexdigest()[:10]}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        write_json(folder / "config.json", values)
        _run_missing(config, folder)
    return folder


def _run_missing(config: RestorationStudyConfig, folder: Path) -> None:
    cells = list(cells_of(config))
    images = {name: open_named(name, config.size) for name in config.pictures}
    for number, cell in enumerate(cells, 1):
        if (folder / f"{cell.name}.json").exists():
            continue
        problem = spoil(images[cell.picture], config.operator, config.sigma, cell.seed)
        outcome = _run(cell, problem, config, folder)
        console.say(
            f"{number}/{len(cells)} {cell.name}: peak {outcome.peak:.2f}, final "
            f"{outcome.final:.2f} dB, {outcome.verdict}"
        )
    write_json(
        folder / "result.json", {"cells": [read_json(folder / f"{c.name}.json") for c in cells]}
    )


def _run(cell: Cell, problem: Problem, config: RestorationStudyConfig, folder: Path) -> Outcome:
    own = config.decoder if cell.method == "decoder" else config.generator
    painter = make_painter(own, problem.shape, cell.seed + _FRESH * cell.fresh)
    if cell.method == "imp":
        return _run_imp(cell, painter, problem, config, folder)
    training = config.training
    if cell.method == "sgld":
        training = config_files.replace(config.sgld, steps=training.steps, every=training.every)
    mask, notes = _mask(cell, painter, problem, config, folder)
    kept = _checkpoints(cell, folder) / "fit"
    fitted = fit(painter, mask, problem, training, cell.seed, folder=kept)
    return _keep(cell, fitted, problem, mask, notes, folder)


def _run_imp(
    cell: Cell, painter: Painter, problem: Problem, config: RestorationStudyConfig, folder: Path
) -> Outcome:
    """Go down the ladder through all sparsities at once, and keep a cell for each."""
    goals, training = sorted(config.sparsities), config.training
    kept = _checkpoints(cell._replace(sparsity=goals[-1]), folder)
    rounds = list(
        iterate(
            painter, problem, goals, training, rate=config.imp_rate,
            maskable=config.mask.maskable, seed=cell.seed, folder=kept,
        )
    )  # fmt: skip
    last = fit(painter, rounds[-1].mask, problem, training, cell.seed, folder=kept / "last")
    after = [*(one.fitted for one in rounds[1:]), last]  # the fit under the mask of every round
    finals = [outcome_of(one.fitted, problem).final for one in rounds]
    outcomes = {}
    for number, (one, fitted) in enumerate(zip(rounds, after, strict=True), 1):
        if one.sparsity in goals:
            own = cell._replace(sparsity=one.sparsity)
            notes = {"rounds": finals[:number]}
            outcomes[one.sparsity] = _keep(own, fitted, problem, one.mask, notes, folder)
    return outcomes[cell.sparsity]


def _mask(
    cell: Cell, painter: Painter, problem: Problem, config: RestorationStudyConfig, folder: Path
) -> tuple[Mask, dict[str, Any]]:
    """Return the mask of a cell, and what is to be noted of it."""
    if cell.method in UNMASKED:
        return nothing_removed(painter.params), {}
    if cell.method == "transfer":
        learnt = Cell(cell.source, cell.seed, "learnt", cell.sparsity)
        return load_mask(folder / "tickets" / learnt.name, painter.params), {}
    if cell.method == "learnt":
        kept = _checkpoints(cell, folder) / "mask"
        found = learn_mask(painter, problem, cell.sparsity, config.mask, cell.seed, folder=kept)
        ticket = folder / "tickets" / cell.name
        save_mask(ticket, painter.params, found.mask, config.generator, config.mask)
        _write_picture(found.masked, f"{cell.name}-masked", folder)
        notes = found._asdict()
        del notes["mask"], notes["masked"], notes["scores"]
        sampled = sampled_picture(found, painter, config.mask.maskable, cell.seed)
        psnr = {"masked_psnr": problem.psnr(found.masked), "sampled_psnr": problem.psnr(sampled)}
        return found.mask, {**notes, **psnr}
    criterion: Any = cell.method.removesuffix("_all")
    control = cell.method == "random"  # leaves normalisation alone, always
    mask = initial_mask(
        painter, problem, criterion, cell.sparsity, cell.seed, published=config.published,
        maskable="kernels" if control else config.mask.maskable, rounds=config.synflow_rounds,
    )  # fmt: skip
    return mask, {"published": config.published}


def _checkpoints(cell: Cell, folder: Path) -> Path:
    return folder / "checkpoints" / cell.name


def _keep(
    cell: Cell, fitted: Fitted, problem: Problem, mask: Mask, notes: Any, folder: Path
) -> Outcome:
    """Write what came of a cell, its numbers last."""
    outcome = outcome_of(fitted, problem)
    found = {
        **cell._asdict(),
        "name": cell.name,
        "shape": _write_picture(fitted.picture, cell.name, folder),
        "outcome": outcome._asdict(),
        "history": [list(point) for point in fitted.history],
        "density": density_by_layer(mask),
        "notes": notes,
    }
    write_json(folder / f"{cell.name}.json", found)
    shutil.rmtree(_checkpoints(cell, folder), ignore_errors=True)
    return outcome


def _write_picture(picture: np.ndarray, name: str, folder: Path) -> list[int]:
    painted = (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)
    write_bytes(folder / f"{name}.raw", painted.tobytes())
    return list(painted.shape)
