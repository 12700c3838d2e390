"""Random changes of colour, for one image, float32 (H, W, 3) in [0, 1], and one key each."""

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
    mean = grey(image).mean()
    return jnp.clip(mean + (image - mean) * factor, 0, 1)


def saturation(image: Array, factor: Array | float) -> Array:
    """Move an image away from its grey version."""
    plain = grey(image)
    return jnp.clip(plain + (image - plain) * factor, 0, 1)


def lighting(key: Array, image: Array, strength: float) -> Array:
    """Add a random colour along the principal components of ImageNet's (Krizhevsky et al. 2012).

    `strength` is the standard deviation of the components' coefficients, 0.1 in the paper. The
    result is clipped to [0, 1] because attacks need that range.
    """
    coefficients = strength * jax.random.normal(key, (3,))
    colour = jnp.asarray(_EIGENVECTORS) @ (coefficients * jnp.asarray(_EIGENVALUES))
    return jnp.clip(image + colour, 0, 1)
