"""The tool: a noisy picture in, a better one out, without a training set or the clean picture.

A mask is learnt on the picture itself, reduced, or taken from a ticket. The network that it leaves
is fitted to the picture until it explains all but the noise: the discrepancy principle (Morozov
1966). What comes back is the mean of the pictures of the last steps. Large pictures go in tiles.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.masks import Mask
from rtickets.restoration.noise_level import noise_variance
from rtickets.restoration.outcome import why_unfinished
from rtickets.restoration.prepared import Prepared, prepare
from rtickets.restoration.restore_settings import RestoreConfig
from rtickets.restoration.restore_tile import Say, TileDone, learn_on_reduced, restore_tile
from rtickets.restoration.tiles import Tile, joined, tiles_of
from rtickets.tasks.restoration import OBSERVED, SEEN


class Restored(NamedTuple):
    """A picture that was restored.

    Attributes:
        picture: float32, of the shape that was given.
        sigma: standard deviation of the noise, as given or estimated.
        stopped: of every tile, why its run ended: 'noise level' reached, 'patience' lost, 'steps'
            taken, or 'diverged' where going back did not help.
        steps: of every tile.
        psnr_noisy: of the result to the noisy picture in dB, over the pixels that are there.
        mask: that the network was under; None for the dense one.
        notes: what should be known of the result, in lines.
    """

    picture: np.ndarray
    sigma: float
    stopped: tuple[str, ...]
    steps: tuple[int, ...]
    psnr_noisy: float
    mask: Mask | None
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
    folder: str | Path | None = None,
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
        folder: where work is kept, from which a call that was killed goes on, if it is made again
            just so; None keeps none.

    Raises:
        InputError: for what is no picture, or a noise level outside [0, 1).
        Preempted: if the process was asked to stop.
    """
    asked = prepare(image, sigma=sigma, seen=seen, mask=mask, config=config, seed=seed)
    return finish(asked, say, None if folder is None else Path(folder))


def finish(asked: Prepared, say: Say | None = None, folder: Path | None = None) -> Restored:
    """Restore a picture that was checked; arguments and errors as of `restore`."""
    own = None if folder is None else folder / asked.digest
    whole, settings, kept = asked.whole, asked.config, asked.kept
    notes = list(asked.notes)
    if kept is None and settings.sparsity:
        kept, warnings = learn_on_reduced(whole, settings, asked.seed, say, own)
        notes += warnings
    tiles = tiles_of(whole.shape[:2], settings.tile, settings.overlap)
    done = []
    for number, tile in enumerate(tiles, 1):
        called = f"restoring tile {number} of {len(tiles)}" if len(tiles) > 1 else "restoring"
        kept_in = None if own is None else own / f"tile{number}"
        done.append(restore_tile(asked, kept, tile, called, say, kept_in))
    picture = np.clip(joined(tiles, [one.picture for one in done], whole.shape), 0, 1)
    error, noise = _unexplained(picture, asked, tiles)
    notes += _about_runs(done)
    if all(one.verdict == "sound" for one in done):
        why = why_unfinished(error, noise)
        notes += [] if why is None else [why]
    return Restored(
        picture.reshape(asked.shape), asked.sigma, tuple(one.stopped for one in done),
        tuple(one.steps for one in done), -10 * float(np.log10(max(error, 1e-12))), kept,
        tuple(notes),
    )  # fmt: skip


def _unexplained(
    picture: np.ndarray, asked: Prepared, tiles: Sequence[Tile]
) -> tuple[float, float]:
    """Return the mean squared error to the noisy picture, and the variance of noise, where seen."""
    batch = {name: np.asarray(leaf) for name, leaf in asked.whole.batch.items()}
    known = np.broadcast_to(batch[SEEN][0] > 0, picture.shape)
    error = ((picture - batch[OBSERVED][0])[known] ** 2).mean()
    total, count = 0.0, 0
    for tile in tiles:  # of large pictures all at once would take many times their memory
        observed, seen = (tile.of(batch[name])[0] for name in (OBSERVED, SEEN))
        total += float((noise_variance(observed, asked.sigma, seen=seen) * seen).sum())
        count += int(seen.sum()) * observed.shape[-1]
    return float(error), total / count


def _about_runs(done: Sequence[TileDone]) -> list[str]:
    """Return what should be known of the runs of all tiles, in lines."""
    notes = []
    if backs := [step for one in done for step in one.backs]:
        notes.append(
            f"a run went back {len(backs)} times, each time with half the learning rate, as its "
            f"loss had jumped at steps {', '.join(map(str, backs))}; a lower learning rate may help"
        )
    if bad := [one.verdict for one in done if one.verdict != "sound"]:
        notes.append(
            f"{len(bad)} of {len(done)} tiles {' or '.join(dict.fromkeys(bad))}: what was painted "
            "is no picture; lower the sparsity, or try another seed"
        )
    return notes
