"""One picture to be restored: what was observed of it, and what a network paints it from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from PIL import Image

from rtickets.errors import InputError
from rtickets.tasks.degradations import OperatorConfig
from rtickets.tasks.image_quality import psnr_of
from rtickets.tasks.restoration import CLEAN, NOISE, OBSERVED, SEEN, Restoration


class Problem(NamedTuple):
    """A picture to be restored.

    Attributes:
        task: what happened to it.
        batch: the arrays of one example but for what the network paints from, see `Restoration`.
    """

    task: Restoration
    batch: Mapping[str, Array]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the picture, (H, W, C)."""
        height, width, _ = self.batch[SEEN].shape[1:]
        observed = self.batch[OBSERVED].shape[-1]
        return height, width, observed if self.task.operator.in_pixels else observed // 2

    @property
    def noisy_psnr(self) -> float | None:
        """PSNR of what was observed, as a picture, to the clean one; None where that is unknown."""
        if CLEAN not in self.batch:
            return None
        shown = self.task.operator.shown(self.batch[OBSERVED], self.batch[SEEN])
        return psnr_of(float(jnp.square(shown - self.batch[CLEAN]).mean()))

    @property
    def flat_loss(self) -> float:
        """The loss of the best picture of one colour."""
        seen = np.asarray(self.batch[SEEN], np.float64)
        observed = np.asarray(self.batch[OBSERVED], np.float64)
        if not self.task.operator.in_pixels:
            centre = observed.copy()
            centre[:, 0, 0] = 0  # a picture of one colour has no other frequency
            return float((centre**2).mean())
        count = np.maximum(seen.sum((1, 2), keepdims=True), 1)  # of a tile all may be missing
        mean = (observed * seen).sum((1, 2), keepdims=True) / count
        return float((((observed - mean) * seen) ** 2).mean())

    def psnr(self, picture: np.ndarray) -> float | None:
        """Return the PSNR of a picture (H, W, C) to the clean one; None where that is unknown."""
        if CLEAN not in self.batch:
            return None
        clean = np.asarray(self.batch[CLEAN][0], np.float64)
        return psnr_of(float(np.square(picture - clean).mean()))

    def painted_from(self, noise: Array) -> dict[str, Array]:
        """Return the batch of a network that paints from `noise`."""
        return {**self.batch, NOISE: noise}


def spoil(
    clean: Any, operator: OperatorConfig, sigma: float, seed: int, *, clip: bool = True
) -> Problem:
    """Return the problem of a known picture, spoilt on purpose.

    Args:
        clean: the picture (H, W, C) in [0, 1].
        operator: what happens to it.
        sigma: standard deviation of Gaussian noise on what is observed.
        seed: of the noise and of what is random about the operator.
        clip: bring observed pictures into [0, 1], as files have them.
    """
    picture = _checked(clean)
    pattern_key, noise_key = jax.random.split(jax.random.key(seed))
    _, height, width, _ = picture.shape
    seen = operator.pattern(pattern_key, (height, width))[None]
    exact = operator.apply(picture, seen)
    observed = exact + sigma * jax.random.normal(noise_key, exact.shape)
    if operator.in_pixels and clip:
        observed = jnp.clip(observed, 0, 1)
    observed = observed * seen  # what is missing has no noise
    return Problem(Restoration(operator=operator), {OBSERVED: observed, SEEN: seen, CLEAN: picture})


def observe(picture: Any, seen: Any = None) -> Problem:
    """Return the problem of a noisy picture (H, W, C) in [0, 1].

    Args:
        seen: which pixels are there (H, W), None for all.
    """
    found = _checked(picture)
    if seen is None:
        pattern = jnp.ones((*found.shape[:3], 1))
        return Problem(Restoration(), {OBSERVED: found, SEEN: pattern})
    there = np.asarray(seen) != 0
    if there.shape != found.shape[1:3]:
        raise InputError(
            f"seen is {there.shape}, the picture {found.shape[1:3]}; expected the same sides"
        )
    pattern = jnp.asarray(there, jnp.float32)[None, :, :, None]
    if not bool(pattern.any()):
        raise InputError("seen has no pixel that is there; nothing is known of the picture")
    operator = OperatorConfig(name="inpaint")
    return Problem(Restoration(operator=operator), {OBSERVED: found * pattern, SEEN: pattern})


def reduced(whole: Problem, side: int) -> Problem:
    """Return the problem of the picture, reduced where it is larger than a side."""
    pixels = np.asarray(whole.batch["observed"][0])
    seen = np.asarray(whole.batch["seen"][0, :, :, 0])
    scale = min(1.0, side / max(seen.shape))
    size = tuple(max(1, round(length * scale)) for length in reversed(seen.shape))

    def smaller(values: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(image.resize(size, Image.Resampling.BOX))

    share = smaller(seen)[..., None]
    sums = np.stack([smaller(pixels[..., i]) for i in range(pixels.shape[-1])], -1)
    means = np.clip(sums / np.maximum(share, 1e-6), 0, 1)
    there = share[..., 0] > 0.25 * seen.mean()
    return observe(means, None if there.all() else there)


def share_of(problem: Problem) -> float:
    """Return the part of the pixels that is there, 1 where none is, as losses are 0 then."""
    return float(np.asarray(problem.batch["seen"]).mean()) or 1.0


def _checked(picture: Any) -> Array:
    found = np.asarray(picture)
    if found.ndim != 3 or found.shape[-1] not in (1, 3) or 0 in found.shape:
        raise InputError(f"the picture has the shape {found.shape}; expected (H, W, 1 or 3)")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise InputError(
            f"the picture has values in [{found.min():g}, {found.max():g}]; expected [0, 1], all "
            "of them finite: divide bytes by 255"
        )
    return jnp.asarray(found, jnp.float32)[None]
