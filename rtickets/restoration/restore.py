"""The tool: a noisy picture in, a better one out, without a training set or the clean picture.

A mask is learnt on the picture itself, reduced, or taken from a ticket. The network that it leaves
is fitted to the picture until it explains all but the noise: the discrepancy principle (Morozov
1966). What comes back is the mean of the pictures of the last steps. Large pictures go in tiles.
"""

import math
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.errors import InputError
from rtickets.masks import Mask
from rtickets.restoration.fits import FitConfig, Point
from rtickets.restoration.fitting import fit
from rtickets.restoration.generators import GeneratorConfig, first_weights, make_painter, network_of
from rtickets.restoration.initial_masks import nothing_removed
from rtickets.restoration.learning import MaskConfig, learn_mask
from rtickets.restoration.mask_files import generator_of, load_mask
from rtickets.restoration.noise_level import estimate_noise, noise_variance
from rtickets.restoration.outcome import verdict_of, why_unfinished
from rtickets.restoration.problem import Problem, observe, reduced, share_of
from rtickets.restoration.tiles import Tile, joined, tiles_of
from rtickets.settings.kinds import STRICT, Positive

Say = Callable[[str, int, int, float], None]
"""Is told what goes on, the steps that are done, all steps, and the mean squared error to the
noisy picture, of the pixels that are there; NaN before the first step."""


@dataclass(frozen=True, config=STRICT)
class RestoreConfig:
    """How pictures are restored.

    Attributes:
        generator: the network; of a ticket's mask its own counts.
        sparsity: removed part of the kernels; 0 restores with the dense network.
        mask: how the mask is learnt.
        mask_side: the mask is learnt on the picture reduced to sides of at most so many pixels.
        training: of the survivors; its steps are the most that are taken.
        tile: pictures with a longer side are restored in tiles of this side.
        overlap: pixels that tiles share, over which they are blended.
        patience: points of the history without a better loss after which a run ends.
    """

    generator: GeneratorConfig = GeneratorConfig(channels=(8, 16, 32, 64, 64), depth=8, skip=4)
    sparsity: float = Field(default=0.9, ge=0, lt=1)
    mask: MaskConfig = field(default_factory=lambda: MaskConfig(steps=600))
    mask_side: int = Field(default=96, ge=16)
    training: FitConfig = field(default_factory=lambda: FitConfig(steps=1000, learning_rate=2e-2))
    tile: int = Field(default=512, ge=64)
    overlap: int = Field(default=32, ge=0)
    patience: Positive = 12


class Restored(NamedTuple):
    """A picture that was restored.

    Attributes:
        picture: float32, of the shape that was given.
        sigma: standard deviation of the noise, as given or estimated.
        stopped: of every tile, why its run ended: 'noise level' reached, 'patience' lost, 'steps'
            taken, or 'diverged' where going back did not help.
        steps: of every tile.
        psnr_noisy: of the result to the noisy picture in dB, over the pixels that are there.
        mask: of the network, and the network; None without one.
        notes: what should be known of the result, in lines.
    """

    picture: np.ndarray
    sigma: float
    stopped: tuple[str, ...]
    steps: tuple[int, ...]
    psnr_noisy: float
    mask: Any
    notes: tuple[str, ...]


def restore(
    image: Any,
    *,
    sigma: float | None = None,
    seen: Any = None,
    mask: str | Path | None = None,
    config: RestoreConfig | None = None,
    seed: int = 0,
    say: Say | None = None,
) -> Restored:
    """Restore a noisy picture.

    Args:
        image: (H, W) or (H, W, 1 or 3), bytes, 16-bit integers, or numbers in [0, 1].
        sigma: standard deviation of the noise in [0, 1]; None estimates it.
        seen: bool (H, W), False for pixels that are missing and shall be painted.
        mask: folder of a ticket whose mask is taken instead of learning one.
        config: settings; None are the defaults.
        seed: of the network and of what it paints from.
        say: is told how it goes.

    Raises:
        InputError: for what is no picture, or a noise level outside [0, 1).
    """
    return finish(prepare(image, sigma=sigma, seen=seen, mask=mask, config=config, seed=seed), say)


class Prepared(NamedTuple):
    """All that restoring a picture needs, checked; nothing is computed yet.

    Attributes:
        whole: the problem of the whole picture.
        shape: that was given.
        sigma: see `Restored`.
        generator: the network.
        kept: a ticket's mask, None where none was given.
        config: settings.
        seed: see `restore`.
        notes: what should be known, in lines.
    """

    whole: Problem
    shape: tuple[int, ...]
    sigma: float
    generator: GeneratorConfig
    kept: Mask | None
    config: RestoreConfig
    seed: int
    notes: tuple[str, ...]


def prepare(
    image: Any,
    *,
    sigma: float | None = None,
    seen: Any = None,
    mask: str | Path | None = None,
    config: RestoreConfig | None = None,
    seed: int = 0,
) -> Prepared:
    """Check what `restore` is given, and return it for `finish`; arguments and errors as there."""
    settings = RestoreConfig() if config is None else config
    pixels = as_pixels(image)
    if settings.overlap >= settings.tile // 2:
        raise InputError(
            f"overlap={settings.overlap} of tiles of {settings.tile}; expected less than a half"
        )
    whole, notes = observe(pixels, seen), []
    if sigma is None:
        sigma = estimate_noise(np.asarray(whole.batch["observed"][0]))  # what is missing is black
        if sigma == 0:
            notes.append(
                "no noise was found, as in pictures without any, or with pixels missing all over: "
                "the run ends by patience alone; give the noise level if you know it"
            )
    elif not 0 <= sigma < 1:
        raise InputError(f"sigma={sigma} is outside [0, 1); of bytes divide it by 255")
    generator, kept = settings.generator, None
    if mask is not None:
        generator = generator_of(Path(mask))
        kept = load_mask(Path(mask), first_weights(generator, pixels.shape[-1], seed))
    for tile in tiles_of(pixels.shape[:2], settings.tile, settings.overlap):
        (top, below), (left, right) = tile.rows, tile.columns
        network_of(generator, (below - top, right - left, pixels.shape[-1]))
    if kept is None and settings.sparsity:
        network_of(generator, reduced(whole, settings.mask_side).shape)
    return Prepared(
        whole, np.shape(image), float(sigma), generator, kept, settings, seed, tuple(notes)
    )


def finish(asked: Prepared, say: Say | None = None) -> Restored:
    """Restore a picture that was checked."""
    whole, settings, kept = asked.whole, asked.config, asked.kept
    notes, shape = list(asked.notes), whole.shape
    if kept is None and settings.sparsity:
        kept = _learn(whole, settings, asked.seed, say, notes)
    tiles = tiles_of(shape[:2], settings.tile, settings.overlap)
    found = [
        _restore_tile(asked, kept, tile, f" tile {number} of {len(tiles)}" * (len(tiles) > 1), say)
        for number, tile in enumerate(tiles, 1)
    ]
    picture = np.clip(joined(tiles, [f.picture for f in found], shape), 0, 1)
    verdicts = [f.verdict for f in found if f.verdict != "sound"]
    backs = [step for f in found for step in f.backs]
    if backs:
        notes.append(
            f"a run went back {len(backs)} times, each time with half the learning rate, as its "
            f"loss had jumped at steps {', '.join(map(str, backs))}; a lower learning rate may help"
        )
    if verdicts:
        notes.append(
            f"{len(verdicts)} of {len(found)} tiles {verdicts[0]}: what was painted is no picture; "
            "lower the sparsity, or try another seed"
        )
    pixels = np.asarray(whole.batch["observed"][0])
    known = np.broadcast_to(np.asarray(whole.batch["seen"][0]) > 0, shape)
    error = float(((picture - pixels)[known] ** 2).mean())
    noise = noise_variance(pixels, asked.sigma, seen=known[..., :1])[known].mean()
    if not verdicts and (why := why_unfinished(error, float(noise))) is not None:
        notes.append(why)
    return Restored(
        picture.reshape(asked.shape), asked.sigma, tuple(f.stopped for f in found),
        tuple(f.steps for f in found), -10 * float(np.log10(max(error, 1e-12))), kept, tuple(notes),
    )  # fmt: skip


def as_pixels(image: Any) -> np.ndarray:
    """Return a picture as float32 (H, W, 1 or 3) in [0, 1], integers divided by their largest.

    Raises:
        InputError: for what is none.
    """
    found = np.asarray(image)
    if found.ndim == 2:
        found = found[..., None]
    if found.dtype in (np.uint8, np.uint16):
        return found.astype(np.float32) / np.iinfo(found.dtype).max
    if found.dtype.kind != "f":
        raise InputError(
            f"the picture has the dtype {found.dtype}; expected uint8, uint16 or numbers in [0, 1]"
        )
    return found.astype(np.float32)


def _learn(
    whole: Problem, settings: RestoreConfig, seed: int, say: Say | None, notes: list[str]
) -> Mask:
    """Learn the mask on the reduced picture."""
    small = reduced(whole, settings.mask_side)
    share = share_of(small)
    painter = make_painter(settings.generator, small.shape, seed)

    def watch(step: int, loss: float) -> None:
        if say is not None:
            say("learning the mask", step + 1, settings.mask.steps, loss / share)

    watch(-1, math.nan)

    found = learn_mask(painter, small, settings.sparsity, settings.mask, seed, watch)
    notes.extend(found.warnings)
    return found.mask


class _Done(NamedTuple):
    picture: np.ndarray
    stopped: str
    steps: int
    verdict: str
    backs: tuple[int, ...]


def _restore_tile(
    asked: Prepared, kept: Mask | None, tile: Tile, which: str, say: Say | None
) -> _Done:
    whole, settings = asked.whole, asked.config
    part = Problem(whole.task, {name: tile.of(leaf) for name, leaf in whole.batch.items()})
    pixels, seen = (np.asarray(part.batch[name][0]) for name in ("observed", "seen"))
    enough = float((noise_variance(pixels, asked.sigma, seen=seen) * seen).mean())
    share = share_of(part)
    painter = make_painter(asked.generator, part.shape, asked.seed)
    losses: list[float] = []
    why: list[Literal["noise level", "patience"]] = []

    def watch(point: Point) -> bool:
        losses.append(point.loss)
        if say is not None:
            say(f"restoring{which}", point.step, settings.training.steps, point.loss / share)
        if point.loss <= enough:
            why.append("noise level")
        elif len(losses) - 1 - int(np.argmin(losses)) >= settings.patience:
            why.append("patience")
        return bool(why)

    if say is not None:
        say(f"restoring{which}", 0, settings.training.steps, math.nan)
    mask = nothing_removed(painter.params) if kept is None else kept
    fitted = fit(painter, mask, part, settings.training, asked.seed, watch)
    steps = fitted.history[-1].step
    verdict = verdict_of(fitted, part, enough)
    return _Done(fitted.average, why[0] if why else fitted.stopped, steps, verdict, fitted.backs)
