import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.models.mirrored import Mirrored


class _Left:
    """Answers with how bright the image and, of the second output, its left half is."""

    def apply(self, variables, x, train=False):
        left = jnp.arange(x.shape[2]) < x.shape[2] // 2
        return jnp.concatenate([x, x * left[:, None]], -1) * variables


def test_answers_are_averages_over_an_image_and_its_mirror_image():
    x = jax.random.uniform(jax.random.key(0), (3, 4, 6, 1))
    alike = Mirrored(_Left(), (0, 1)).apply(2.0, x)
    np.testing.assert_allclose(alike[..., :1], 2 * x, rtol=1e-6)
    # left halves of an image and, mirrored back, of its mirror image
    np.testing.assert_allclose(alike[..., 1:], x, rtol=1e-6)
    swapped = Mirrored(_Left(), (1, 0)).apply(1.0, x)
    halves = (x + x * (jnp.arange(6) >= 3)[:, None]) / 2
    np.testing.assert_allclose(swapped[..., :1], halves, rtol=1e-6)
    other = Mirrored(_Left(), (1, 0)).apply(1.0, x[:, :, ::-1])
    np.testing.assert_allclose(swapped[:, :, ::-1][..., ::-1], other, rtol=1e-6)
    with pytest.raises(NotImplementedError, match="evaluations"):
        Mirrored(_Left(), (0, 1)).apply(1.0, x, True)
