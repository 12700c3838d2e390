"""Restoring a tile of a picture, under a mask that was learnt on the whole picture, reduced."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from rtickets.masks import Mask
from rtickets.restoration.fits import Point
from rtickets.restoration.fitting import fit
from rtickets.restoration.generators import make_painter
from rtickets.restoration.initial_masks import nothing_removed
from rtickets.restoration.learning import learn_mask
from rtickets.restoration.noise_level import noise_variance
from rtickets.restoration.outcome import Verdict, verdict_of
from rtickets.restoration.prepared import Prepared
from rtickets.restoration.problem import Problem, reduced, share_of
from rtickets.restoration.restore_settings import RestoreConfig
from rtickets.restoration.tiles import Tile
from rtickets.storage.files import read_json, write_bytes, write_json

_PICTURE, _NUMBERS = "picture.raw", "done.json"

Say = Callable[[str, int, int, float], None]
"""Is told what goes on, the steps that are done, all steps, and the mean squared error to the
noisy picture, of the pixels that are there; NaN before the first step."""


def learn_on_reduced(
    whole: Problem, settings: RestoreConfig, seed: int, say: Say | None, folder: Path | None = None
) -> tuple[Mask, tuple[str, ...]]:
    """Learn the mask on the reduced picture; return it, and what should be known of it in lines."""
    folder = None if folder is None else folder / "mask"
    small = reduced(whole, settings.mask_side)
    share = share_of(small)
    painter = make_painter(settings.generator, small.shape, seed)

    def watch(step: int, loss: float) -> None:
        if say is not None:
            say("learning the mask", step + 1, settings.mask.steps, loss / share)

    watch(-1, math.nan)
    found = learn_mask(painter, small, settings.sparsity, settings.mask, seed, watch, folder)
    return found.mask, found.warnings


class TileDone(NamedTuple):
    """A tile that was restored.

    Attributes:
        picture: float32 (h, w, C).
        stopped: see `Restored`.
        steps: that were taken.
        verdict: whether it is a picture.
        backs: steps at which the run went back.
    """

    picture: np.ndarray
    stopped: str
    steps: int
    verdict: Verdict
    backs: tuple[int, ...]


def restore_tile(
    asked: Prepared,
    kept: Mask | None,
    tile: Tile,
    called: str,
    say: Say | None,
    folder: Path | None = None,
) -> TileDone:
    """Fit the network to a tile until noise alone is left, or nothing gets better.

    Args:
        kept: the mask; None trains the dense network.
        called: what `say` is told that goes on.
        folder: where its work is kept, and what came of it; None keeps none.
    """
    if folder is not None and (before := _read(folder)) is not None:
        return before
    training, patience = asked.config.training, asked.config.patience
    part = Problem(
        asked.whole.task, {name: tile.of(leaf) for name, leaf in asked.whole.batch.items()}
    )
    enough = _loss_of_noise(part, asked.sigma)
    share = share_of(part)
    painter = make_painter(asked.generator, part.shape, asked.seed)
    losses: list[float] = []
    why: list[Literal["noise level", "patience"]] = []

    def watch(point: Point) -> bool:
        losses.append(point.loss)
        if say is not None:
            say(called, point.step, training.steps, point.loss / share)
        if point.loss <= enough:
            why.append("noise level")
        elif len(losses) - 1 - int(np.argmin(losses)) >= patience:
            why.append("patience")
        return bool(why)

    if say is not None:
        say(called, 0, training.steps, math.nan)
    mask = nothing_removed(painter.params) if kept is None else kept
    work = None if folder is None else folder / "fit"
    fitted = fit(painter, mask, part, training, asked.seed, watch, work)
    verdict = verdict_of(fitted, part, enough)
    stopped = why[0] if why else fitted.stopped
    done = TileDone(fitted.average, stopped, fitted.history[-1].step, verdict, fitted.backs)
    if folder is not None:
        _write(done, folder)
    return done


def _write(done: TileDone, folder: Path) -> None:
    """Write what came of a tile, its numbers last, in the place of what it took."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / _PICTURE, np.asarray(done.picture, np.float32).tobytes())
    write_json(folder / _NUMBERS, {**done._asdict(), "picture": list(done.picture.shape)})
    shutil.rmtree(folder / "fit", ignore_errors=True)


def _read(folder: Path) -> TileDone | None:
    if not (folder / _NUMBERS).exists():
        return None
    others: Any = read_json(folder / _NUMBERS)
    values = np.frombuffer((folder / _PICTURE).read_bytes(), np.float32)
    others["picture"], others["backs"] = values.reshape(others["picture"]), tuple(others["backs"])
    return TileDone(**others)


def _loss_of_noise(part: Problem, sigma: float) -> float:
    """Return the loss of the clean picture, by the noise alone."""
    pixels, seen = (np.asarray(part.batch[name][0]) for name in ("observed", "seen"))
    return float((noise_variance(pixels, sigma, seen=seen) * seen).mean())
