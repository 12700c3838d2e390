"""Blurs keep what is constant and move what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.data.images.corruptions.blur import (
    Disk,
    Motion,
    Zoom,
    defocus_blur,
    disk,
    motion_blur,
    moved,
    zoom_blur,
)


@pytest.mark.parametrize("constant", [Disk(3, 0.1), Disk(10, 0.5)])
def test_the_aperture_is_a_disk(constant: Disk) -> None:
    kernel = disk(*constant)
    assert kernel.shape == ((17, 17) if constant.radius == 3 else (21, 21))
    # The rim of a disk that fills the kernel is mirrored into it, which the package does too.
    assert kernel.sum() == pytest.approx(1, abs=0.011 if constant.radius == 10 else 1e-6)
    np.testing.assert_allclose(kernel, kernel.T)
    inside = (np.indices(kernel.shape) - len(kernel) // 2) ** 2
    np.testing.assert_array_equal(kernel > kernel.max() / 2, inside.sum(0) <= constant.radius**2)


def test_what_is_constant_stays() -> None:
    image = jnp.full((40, 40, 3), 0.4)
    np.testing.assert_allclose(defocus_blur(image, Disk(6, 0.5), ()), image, atol=1e-6)
    np.testing.assert_allclose(
        jax.jit(motion_blur, static_argnums=1)(image, Motion(15, 8), 20.0), image, atol=1e-6
    )
    np.testing.assert_allclose(
        jax.jit(zoom_blur, static_argnums=1)(image, Zoom(1.31, 0.03), ()), image, atol=1e-6
    )


def test_motion_smears_a_point_along_its_angle() -> None:
    image = jnp.zeros((41, 41, 1)).at[20, 20].set(1)
    for angle, row, column in ((0.0, 0, -1), (-90.0, 1, 0)):
        smeared = jax.jit(moved, static_argnums=1)(image, Motion(5, 3), angle)[..., 0]
        line = [float(smeared[20 + row * k, 20 + column * k]) for k in range(6)]
        assert line == sorted(line, reverse=True)
        assert line[0] > 0.2
        assert float(smeared.sum()) == pytest.approx(1, abs=1e-5)
