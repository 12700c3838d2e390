"""What restoring a picture needs, checked before anything is computed."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets._version import __version__
from rtickets.errors import InputError
from rtickets.masks import Mask
from rtickets.restoration.generators import GeneratorConfig, first_weights, network_of
from rtickets.restoration.mask_files import generator_of, load_mask
from rtickets.restoration.noise_level import estimate_noise
from rtickets.restoration.problem import Problem, observe, reduced
from rtickets.restoration.restore_settings import RestoreConfig
from rtickets.restoration.tiles import tiles_of
from rtickets.settings import config_files


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

    @property
    def digest(self) -> str:
        """A name for all that the result depends on."""
        settings = [config_files.to_dict(one) for one in (self.config, self.generator)]
        said = json.dumps([__version__, settings, self.sigma, self.seed], sort_keys=True)
        found = hashlib.sha256(said.encode())
        for leaf in jax.tree.leaves([dict(self.whole.batch), self.kept]):
            found.update(np.ascontiguousarray(leaf).tobytes())
        return found.hexdigest()[:10]


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
    if not 0 <= seed < 2**31:
        raise InputError(f"seed={seed}; expected one from 0 to {2**31 - 1}")
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
        network_of(generator, (*tile.shape, pixels.shape[-1]))
    if kept is None and settings.sparsity:
        network_of(generator, reduced(whole, settings.mask_side).shape)
    return Prepared(
        whole, np.shape(image), float(sigma), generator, kept, settings, seed, tuple(notes)
    )


def as_pixels(image: Any) -> np.ndarray:
    """Return a picture as float32 (H, W, 1 or 3) in [0, 1], integers divided by their largest.

    Raises:
        InputError: for what is none.
    """
    try:
        found = np.asarray(image)
    except ValueError as error:  # of lists in a list, some longer than others
        raise InputError(f"the picture is no array: {error}") from None
    if found.ndim == 2:
        found = found[..., None]
    if found.dtype.kind == "u" and found.itemsize <= 2:  # of any order of bytes
        return found.astype(np.float32) / np.iinfo(found.dtype).max
    if found.dtype.kind != "f":
        raise InputError(
            f"the picture has the dtype {found.dtype}; expected uint8, uint16 or numbers in [0, 1]"
        )
    return found.astype(np.float32)
