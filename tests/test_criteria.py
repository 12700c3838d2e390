import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.criteria import magnitude


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16])
def test_magnitude_is_the_absolute_value_in_float32_on_the_host(dtype):
    weights = {"a": {"kernel": jnp.array([[-2, 0.5], [-0.0, 3]], dtype)}}
    score = magnitude(weights)["a"]["kernel"]
    assert isinstance(score, np.ndarray)
    assert score.dtype == np.float32
    np.testing.assert_array_equal(score, [[2, 0.5], [0, 3]])
