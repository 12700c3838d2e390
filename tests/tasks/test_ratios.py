import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.tasks.accuracy import wilson
from rtickets.tasks.ratios import ratio_sums, share_of


def shares(top, bottom):
    return share_of(np.asarray(ratio_sums(jnp.asarray(top), jnp.asarray(bottom))))


def test_it_is_the_ratio_of_sums_with_the_delta_method():
    rng = np.random.default_rng(0)
    bottom = rng.integers(5, 30, 400)
    top = rng.binomial(bottom, 0.3)
    found, value = shares(top, bottom), top.sum() / bottom.sum()
    half = 1.959964 * (((top - value * bottom) ** 2).sum()) ** 0.5 / bottom.sum()
    assert found[:3] == pytest.approx((value, value - half, value + half), rel=1e-3)
    assert shares([0.0, 0.0], [0, 0]) is None


@pytest.mark.parametrize("value", [0, 0.25, 1])
def test_examples_that_agree_are_as_many_single_answers(value):
    """Of sizes 1, 1 and 2 as many as (1 + 1 + 2)^2 / (1 + 1 + 4) of one size."""
    sizes = np.array([4, 4, 8])
    found = shares(value * sizes, sizes)
    assert found[:3] == pytest.approx((value, *wilson(value, 16 / 6)))
    alone = shares([value * 7], [7])
    assert alone[:3] == pytest.approx((value, *wilson(value, 1)))
