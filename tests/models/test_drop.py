import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.models.drop import drop_path, dropout, layer_keys

KEYS = jax.random.split(jax.random.key(0), 64)
X = jnp.ones((64, 8, 8, 2))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_what_is_left_is_scaled_up(rate):
    found = np.asarray(dropout(X, KEYS, rate))
    values = np.unique(found)
    np.testing.assert_allclose(values, [0, 1 / (1 - rate)], rtol=1e-6)
    assert (found == 0).mean() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / X.size) ** 0.5)


def test_a_branch_is_dropped_whole():
    found = np.asarray(drop_path(X, KEYS, 0.5)).reshape(64, -1)
    assert (found == found[:, :1]).all()
    assert set(found[:, 0]) == {0, 2}


@pytest.mark.parametrize("drop", [dropout, drop_path])
def test_draws_belong_to_the_example_and_the_layer(drop):
    whole = drop(X, KEYS, 0.5)
    np.testing.assert_array_equal(drop(X[10:13], KEYS[10:13], 0.5), whole[10:13])
    assert (drop(X, layer_keys(KEYS, 1), 0.5) != whole).any()


def test_without_keys_or_rate_nothing_is_dropped():
    for keys, rate in ((None, 0.5), (KEYS, 0.0)):
        np.testing.assert_array_equal(dropout(X, keys, rate), X)
    assert layer_keys(None, 1) is None
