"""Random views of an image, as contrastive pretraining compares them.

One image, float32 (H, W, 1 or 3) in [0, 1], and one key each; shapes are static, so that a batch is
one `vmap`. Every change has a key of its own: turning one on or off leaves the others' draws.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.images import boxes, colour
from rtickets.data.images.resample import Method, resize_box
from rtickets.settings.kinds import STRICT, NotNegative

_Part = Annotated[float, Field(gt=0, le=1)]
_Chance = Annotated[float, Field(ge=0, le=1)]
_Strength = Annotated[float, Field(ge=0, le=1)]
_HIGHEST = jax.lax.Precision.HIGHEST


@dataclass(frozen=True, config=STRICT)
class ViewsConfig:
    """How an image becomes a random view; the defaults are those of SimCLR on ImageNet.

    In this order: a random resized crop, a flip, changes of colour, grey, blur (Chen et al. 2020,
    appendix A). Of images of one channel saturation, hue and grey change nothing.

    Attributes:
        crop_scale: smallest and largest part of the area that the crop takes; (1, 1) crops nothing.
        flip: chance of a horizontal flip.
        brightness: the image is multiplied by a factor in [max(1 - this, 0), 1 + this].
        contrast: likewise its distance from its mean grey.
        saturation: likewise its distance from its grey version.
        hue: colours turn by up to this part of the circle, at most 0.5. The four come in a random
            order.
        jitter: chance that colours change at all.
        grey: chance that the image loses its colours.
        blur: chance of a Gaussian blur.
        blur_sigma: smallest and largest deviation of the blur, in pixels.
        blur_kernel: length of the blur's kernel as a part of the image's; at least 3 pixels.
    """

    crop_scale: tuple[_Part, _Part] = (0.08, 1.0)
    flip: _Chance = 0.5
    brightness: _Strength = 0.8
    contrast: _Strength = 0.8
    saturation: _Strength = 0.8
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    jitter: _Chance = 0.8
    grey: _Chance = 0.2
    blur: _Chance = 0.5
    blur_sigma: tuple[NotNegative, NotNegative] = (0.1, 2.0)
    blur_kernel: _Part = 0.1

    @model_validator(mode="after")
    def _check(self) -> "ViewsConfig":
        for name in ("crop_scale", "blur_sigma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}=({low}, {high}) is not (smallest, largest)")
        return self


SIMCLR = ViewsConfig()
SIMCLR_SMALL = ViewsConfig(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, blur=0.0)
"""SimCLR on CIFAR: half the strength, no blur (Chen et al. 2020, appendix B.9)."""
CVLTH = ViewsConfig(blur=0.0)
"""SimCLR as tickets were drawn with it (Chen et al. 2021): full strength, no blur."""
MOCO_V2 = ViewsConfig(
    crop_scale=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1
)  # Chen et al. 2020, "Improved baselines with momentum contrastive learning"


def random_view(
    key: Array, image: Array, size: tuple[int, int], views: ViewsConfig, method: Method = "bilinear"
) -> Array:
    """Return a view of a size (height, width), float32 in [0, 1]."""
    crop, flip, jitter, grey, blur = jax.random.split(key, 5)
    image = _cropped(crop, image, size, views, method)
    image = jnp.where(jax.random.bernoulli(flip, views.flip), image[:, ::-1], image)
    if views.jitter and (views.brightness or views.contrast or views.saturation or views.hue):
        whether, how = jax.random.split(jitter)
        changed = jittered(how, image, views)
        image = jnp.where(jax.random.bernoulli(whether, views.jitter), changed, image)
    if views.grey and image.shape[-1] == 3:
        plain = jnp.broadcast_to(colour.grey(image), image.shape)
        image = jnp.where(jax.random.bernoulli(grey, views.grey), plain, image)
    if views.blur:
        whether, how = jax.random.split(blur)
        sigma = jax.random.uniform(how, minval=views.blur_sigma[0], maxval=views.blur_sigma[1])
        changed = blurred(image, sigma, kernel_length(size, views.blur_kernel))
        image = jnp.where(jax.random.bernoulli(whether, views.blur), changed, image)
    return image


def _cropped(
    key: Array, image: Array, size: tuple[int, int], views: ViewsConfig, method: Method
) -> Array:
    shape = (image.shape[0], image.shape[1])
    if views.crop_scale == (1.0, 1.0):
        box = jnp.asarray([0, 0, *shape], jnp.int32)
        return image if shape == size else jnp.clip(resize_box(image, box, size, method), 0, 1)
    shape_key, place_key = jax.random.split(key)
    shapes = jax.random.uniform(shape_key, (boxes.ATTEMPTS, 2))
    place = jax.random.uniform(place_key, (2,))
    box = boxes.random_box(jnp, shape, shapes, place, views.crop_scale)
    return jnp.clip(resize_box(image, box, size, method), 0, 1)


def jittered(key: Array, image: Array, views: ViewsConfig) -> Array:
    """Change brightness, contrast, and of colours saturation and hue, in a random order."""
    order_key, factor_key, hue_key = jax.random.split(key, 3)
    strengths = jnp.asarray([views.brightness, views.contrast, views.saturation])
    low = jnp.maximum(1 - strengths, 0)
    factors = low + jax.random.uniform(factor_key, (3,)) * (1 + strengths - low)
    turn = views.hue * jax.random.uniform(hue_key, (1,), minval=-1.0, maxval=1.0)
    amounts = jnp.concatenate([factors, turn])
    changes = [colour.brightness, colour.contrast, colour.saturation, colour.hue]
    if image.shape[-1] != 3:
        changes = changes[:2]
    order = jax.random.permutation(order_key, len(changes))
    for position in range(len(changes)):
        which = order[position]
        image = jax.lax.switch(which, changes, image, amounts[which])
    return image


def kernel_length(size: tuple[int, int], part: float) -> int:
    """Return the odd length, in pixels, of a blur's kernel on images of a size."""
    return max(2 * (int(part * min(size)) // 2) + 1, 3)


def blurred(image: Array, sigma: Array | float, length: int) -> Array:
    """Return an image under a Gaussian blur of a deviation in pixels, cut off at a kernel's length.

    Weights of pixels outside the image are left out and the others add up to 1, where libraries
    mirror the image at its edge.
    """
    rows, columns = (_blur_matrix(n, sigma, length) for n in image.shape[:2])
    tall = jnp.einsum("yh,hwc->ywc", rows, image, precision=_HIGHEST)
    return jnp.einsum("xw,ywc->yxc", columns, tall, precision=_HIGHEST)


def _blur_matrix(count: int, sigma: Array | float, length: int) -> Array:
    """Return how pixels of a line are mixed, float32 (count, count), rows adding up to 1."""
    apart = jnp.abs(jnp.arange(count)[:, None] - jnp.arange(count))
    near = apart <= length // 2
    weights = jnp.where(near, jnp.exp(-0.5 * (apart / jnp.maximum(sigma, 1e-6)) ** 2), 0)
    return weights / weights.sum(1, keepdims=True)
