"""What happened to a picture before it was seen: forward operators of restoration.

An operator maps pictures (B, H, W, C) in [0, 1] to what is observed of them, linearly. What is
random about it, which pixels or frequencies are there, is drawn once by `pattern` and is data that
`apply` takes. An entry is frozen settings, part of what is compiled.
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.settings.variants import Variant


@dataclass(frozen=True, config=STRICT)
class OperatorConfig(Variant):
    """What happened to a picture.

    Attributes:
        name: which of the operators.
    """

    family: ClassVar[str] = "operator"
    entries: ClassVar[dict[str, Any]] = {}

    @property
    def in_pixels(self) -> bool:
        """Whether what is observed is a picture itself, with values in [0, 1]."""
        return True

    def pattern(self, key: Array, shape: tuple[int, int]) -> Array:
        """Return what of an image of a shape (H, W) is there, float32 (H, W, 1) of 0 and 1."""
        del key
        return jnp.ones((*shape, 1))

    def apply(self, pictures: Array, seen: Array) -> Array:
        """Return what is observed of pictures (B, H, W, C), given patterns (B, H, W, 1)."""
        return pictures * seen

    def shown(self, observed: Array, seen: Array) -> Array:
        """Return what is observed as pictures (B, H, W, C) for people."""
        del seen
        return observed


@dataclass(frozen=True, config=STRICT)
class Identity(OperatorConfig):
    """Nothing but noise: denoising."""

    name: Literal["denoise"] = "denoise"


@dataclass(frozen=True, config=STRICT)
class Inpaint(OperatorConfig):
    """Pixels are missing at random, in all channels at once.

    Attributes:
        missing: part of the pixels.
    """

    name: Literal["inpaint"] = "inpaint"
    missing: float = Field(default=0.5, ge=0, lt=1)

    def pattern(self, key: Array, shape: tuple[int, int]) -> Array:
        """Return which pixels are there."""
        return jax.random.bernoulli(key, 1 - self.missing, (*shape, 1)).astype(jnp.float32)


@dataclass(frozen=True, config=STRICT)
class Blur(OperatorConfig):
    """A Gaussian blur; beyond the border the picture is mirrored.

    Attributes:
        sigma: of the Gaussian in pixels.
    """

    name: Literal["blur"] = "blur"
    sigma: float = Field(default=1.0, gt=0, le=50)

    def apply(self, pictures: Array, seen: Array) -> Array:
        """Return blurred pictures."""
        del seen
        rows, columns = (_mirrored(side, self.sigma) for side in pictures.shape[1:3])
        return jnp.einsum("ah,bw,nhwc->nabc", rows, columns, pictures, precision="highest")


@dataclass(frozen=True, config=STRICT)
class Fourier(OperatorConfig):
    """A part of the frequencies, as in magnetic resonance imaging: whole lines at random.

    What is observed are real and imaginary parts beside each other, (B, H, W, 2 C), of the unitary
    transform.

    Attributes:
        kept: part of the lines, those in the middle included.
        centre: part of the lines that are there always, the lowest frequencies.
    """

    name: Literal["fourier"] = "fourier"
    kept: float = Field(default=0.4, gt=0, le=1)
    centre: float = Field(default=0.1, ge=0, le=1)

    @property
    def in_pixels(self) -> bool:
        """They are frequencies."""
        return False

    def pattern(self, key: Array, shape: tuple[int, int]) -> Array:
        """Return which frequencies are there, in the order of the transform."""
        height, width = shape
        distance = jnp.abs(jnp.fft.fftfreq(height))
        order = jnp.argsort(distance, stable=True)
        always = round(self.centre * height)
        score = jax.random.uniform(key, (height,)).at[order[:always]].set(2.0)
        count = max(round(self.kept * height), 1)
        lines = jnp.zeros(height).at[jnp.argsort(-score, stable=True)[:count]].set(1.0)
        return jnp.broadcast_to(lines[:, None, None], (height, width, 1))

    def apply(self, pictures: Array, seen: Array) -> Array:
        """Return the frequencies that are there."""
        found = jnp.fft.fft2(pictures, axes=(1, 2), norm="ortho") * seen
        return jnp.concatenate([found.real, found.imag], -1)

    def shown(self, observed: Array, seen: Array) -> Array:
        """Return the pictures with zeros for the frequencies that are missing."""
        del seen
        real, imaginary = jnp.split(observed, 2, axis=-1)
        return jnp.fft.ifft2(real + 1j * imaginary, axes=(1, 2), norm="ortho").real


def _mirrored(side: int, sigma: float) -> np.ndarray:
    """Return the matrix (side, side) of a Gaussian blur along an axis, the end pixels doubled."""
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((side, side), np.float32)
    for place in range(side):
        at = np.arange(place - radius, place + radius + 1) % (2 * side)
        np.add.at(matrix[place], np.where(at < side, at, 2 * side - 1 - at), weights)
    return matrix


OPERATORS: dict[str, type[OperatorConfig]] = OperatorConfig.entries
"""The operators by name; the default first."""
OPERATORS |= {"denoise": Identity, "inpaint": Inpaint, "blur": Blur, "fourier": Fourier}
