"""What happens to pictures before they are seen: operators are linear, and do what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from rtickets.tasks.degradations import OPERATORS, OperatorConfig

KEY = jax.random.key(0)
names = pytest.mark.parametrize("name", OPERATORS)


def observed(name, pictures, **fields):
    operator = OperatorConfig(name=name, **fields)
    seen = operator.pattern(KEY, pictures.shape[1:3])[None]
    return operator, seen, operator.apply(pictures, seen)


@names
@pytest.mark.parametrize("shape", [(2, 8, 12, 3), (1, 9, 5, 1)])
def test_it_is_linear_and_its_patterns_say_what_is_there(name, shape):
    x, y = (jax.random.uniform(key, shape) for key in jax.random.split(KEY))
    operator, seen, of_x = observed(name, x)
    assert seen.shape == (1, *shape[1:3], 1)
    assert set(np.unique(seen)) <= {0, 1}
    both = operator.apply(2 * x - 3 * y, seen)
    np.testing.assert_allclose(both, 2 * of_x - 3 * operator.apply(y, seen), atol=1e-4)
    assert operator.shown(of_x, seen).shape == shape
    assert hash(operator) == hash(OperatorConfig(name=name))


def test_as_many_pixels_are_missing_as_said_in_all_channels():
    x = jnp.ones((1, 100, 100, 3))
    _, seen, found = observed("inpaint", x, missing=0.8)
    assert abs(float(seen.mean()) - 0.2) < 0.02
    np.testing.assert_array_equal(found, jnp.broadcast_to(seen, x.shape))


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_the_blur_is_that_of_scipy(sigma):
    x = np.random.default_rng(0).random((7, 12))
    _, _, found = observed("blur", jnp.asarray(x, jnp.float32)[None, :, :, None], sigma=sigma)
    np.testing.assert_allclose(found[0, :, :, 0], ndimage.gaussian_filter(x, sigma), atol=1e-5)


def test_frequencies_keep_the_energy_and_give_the_picture_back_when_all_are_there():
    x = jax.random.uniform(KEY, (1, 8, 10, 3))
    operator, seen, found = observed("fourier", x, kept=1.0)
    np.testing.assert_allclose((found**2).sum(), (x**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(operator.shown(found, seen), x, atol=1e-5)


def test_whole_lines_of_frequencies_are_missing_but_never_the_lowest():
    _, seen, _ = observed("fourier", jnp.ones((1, 40, 20, 1)), kept=0.4, centre=0.1)
    lines = np.asarray(seen[0, :, :, 0])
    assert (lines == lines[:, :1]).all()
    assert lines[:, 0].sum() == 16
    assert lines[[0, 1, -1], 0].all()
