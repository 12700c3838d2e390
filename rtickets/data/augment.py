"""What happens to images on the device: scaling, channels, resizing, random crops and flips.

Data stays uint8 in memory; everything here runs inside the compiled step. Randomness is per
example, so it does not depend on how a batch is split.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.config import DataConfig
from rtickets.data.sources import get_source

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what image libraries use for grey


@dataclass(frozen=True)
class Transform:
    """From stored pixels to the network's input.

    Attributes:
        size: (height, width) to resize to, or None.
        channels: 1 or 3 to convert to, or None.
        crop_padding: zero padding before a random crop of the original size; 0 is none.
        flip: random horizontal flips.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    crop_padding: int = 0
    flip: bool = False

    def prepare(self, images: Array) -> Array:
        """Scale to [0, 1], convert channels and resize.

        Args:
            images: uint8 (B, H, W, C).

        Returns:
            float32 (B, H', W', C') in [0, 1].
        """
        x = images.astype(jnp.float32) / 255
        if self.channels == 3 and x.shape[-1] == 1:
            x = jnp.repeat(x, 3, -1)
        elif self.channels == 1 and x.shape[-1] == 3:
            x = (x @ jnp.asarray(_LUMA, jnp.float32))[..., None]
        if self.size is not None and x.shape[1:3] != self.size:
            x = jax.image.resize(x, (x.shape[0], *self.size, x.shape[-1]), "bilinear")
            x = jnp.clip(x, 0, 1)
        return x

    def augment(self, keys: Array, images: Array) -> Array:
        """Crop and flip at random.

        Args:
            keys: PRNG keys (B,).
            images: float32 (B, H, W, C) in [0, 1].

        Returns:
            float32 (B, H, W, C) in [0, 1].
        """
        if not (self.crop_padding or self.flip):
            return images
        return jax.vmap(self._augment_one)(keys, images)

    def _augment_one(self, key: Array, image: Array) -> Array:
        crop_key, flip_key = jax.random.split(key)
        if self.crop_padding:
            pad = self.crop_padding
            padded = jnp.pad(image, ((pad, pad), (pad, pad), (0, 0)))
            top, left = jax.random.randint(crop_key, (2,), 0, 2 * pad + 1)
            image = jax.lax.dynamic_slice(padded, (top, left, 0), image.shape)
        if self.flip:
            image = jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)
        return image

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the (H, W, C) that images stored as `shape` (H, W, C) reach the network with."""
        height, width = self.size or shape[:2]
        return (height, width, self.channels or shape[2])


def make_transform(config: DataConfig) -> Transform:
    """Return the transform of a task, the source's defaults filled in.

    Args:
        config: the task.

    Returns:
        The transform.

    Raises:
        InputError: if the source is unknown.
    """
    source = get_source(config.source)
    return Transform(
        size=None if config.image_size is None else (config.image_size, config.image_size),
        channels=config.channels,
        crop_padding=source.crop_padding if config.crop_padding is None else config.crop_padding,
        flip=source.flip if config.flip is None else config.flip,
    )
