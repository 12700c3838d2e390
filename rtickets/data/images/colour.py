"""Changes of colour, for one image, float32 (H, W, 3) in [0, 1], and one key each.

Brightness and contrast take images of one channel as well.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what image libraries use for grey

# Principal components of ImageNet's colours in [0, 1] (Krizhevsky et al. 2012), one a column.
_EIGENVALUES = (0.2175, 0.0188, 0.0045)
_EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def grey(image: Array) -> Array:
    """Return the luma of colour, (..., 3) to (..., 1)."""
    return (image @ jnp.asarray(LUMA, jnp.float32))[..., None]


def jitter(key: Array, image: Array, strength: float) -> Array:
    """Change brightness, contrast and saturation, in a random order.

    Each is multiplied by a factor uniform in [1 - strength, 1 + strength].
    """
    factor_key, order_key = jax.random.split(key)
    factors = jax.random.uniform(factor_key, (3,), minval=1 - strength, maxval=1 + strength)
    order = jax.random.permutation(order_key, 3)
    changes: list[Callable[[Array, Array], Array]] = [brightness, contrast, saturation]
    for position in range(3):
        which = order[position]
        image = jax.lax.switch(which, changes, image, factors[which])
    return image


def brightness(image: Array, factor: Array | float) -> Array:
    """Move an image away from black."""
    return jnp.clip(image * factor, 0, 1)


def contrast(image: Array, factor: Array | float) -> Array:
    """Move an image away from its mean grey."""
    mean = (grey(image) if image.shape[-1] == 3 else image).mean()
    return jnp.clip(mean + (image - mean) * factor, 0, 1)


def saturation(image: Array, factor: Array | float) -> Array:
    """Move an image away from its grey version."""
    plain = grey(image)
    return jnp.clip(plain + (image - plain) * factor, 0, 1)


def hue(image: Array, turn: Array | float) -> Array:
    """Turn all hues by a part of the circle, those of HSV (Smith 1978)."""
    found = to_hsv(image)
    return from_hsv(found.at[..., 0].set((found[..., 0] + turn) % 1))


def to_hsv(image: Array) -> Array:
    """Return hue, saturation and value in [0, 1] of red, green and blue, (..., 3)."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    value, low = image.max(-1), image.min(-1)
    spread = value - low
    safe = jnp.where(spread > 0, spread, 1)
    sixth = jnp.where(
        value == red,
        (green - blue) / safe,
        jnp.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    angle = jnp.where(spread > 0, (sixth / 6) % 1, 0)
    return jnp.stack([angle, spread / jnp.where(value > 0, value, 1), value], -1)


def from_hsv(image: Array) -> Array:
    """Return red, green and blue of hue, saturation and value, (..., 3)."""
    angle, saturation, value = image[..., :1], image[..., 1:2], image[..., 2:]
    place = (jnp.asarray([5.0, 3.0, 1.0]) + 6 * angle) % 6
    return value - value * saturation * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)


def lighting(key: Array, image: Array, strength: float) -> Array:
    """Add a random colour along the principal components of ImageNet's (Krizhevsky et al. 2012).

    `strength` is the standard deviation of the components' coefficients, 0.1 in the paper. The
    result is clipped to [0, 1] because attacks need that range.
    """
    coefficients = strength * jax.random.normal(key, (3,))
    colour = jnp.asarray(_EIGENVECTORS) @ (coefficients * jnp.asarray(_EIGENVALUES))
    return jnp.clip(image + colour, 0, 1)
