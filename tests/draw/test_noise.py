"""Noise on the weights of a ticket."""

import chex
import numpy as np
import pytest

from rtickets import draw, masks
from rtickets.errors import InputError


def network():
    generator = np.random.default_rng(0)
    weights = {"a": {"kernel": generator.standard_normal((200, 100)).astype(np.float32)}}
    weights["a"]["bias"] = np.zeros(100, np.float32)
    weights["head"] = {"kernel": generator.standard_normal((100, 3)).astype(np.float32)}
    return weights, draw.draw_omp(weights, 0.6)


def test_survivors_get_noise_of_a_deviation_and_nothing_else_does():
    weights, mask = network()
    params = masks.apply(mask, weights)
    noisy = draw.noisy_weights(params, mask, 0.25, 3)
    assert noisy["a"]["kernel"].dtype == np.float32
    kept = mask["a"]["kernel"]
    moved = np.asarray(noisy["a"]["kernel"]) - np.asarray(params["a"]["kernel"])
    assert not moved[~kept].any()
    # 8,000 draws: the deviation is known to 0.8%, the mean to 0.0028.
    assert moved[kept].std() == pytest.approx(0.25, rel=0.04)
    assert abs(moved[kept].mean()) < 0.014
    for name in ("bias",):
        np.testing.assert_array_equal(noisy["a"][name], params["a"][name])
    chex.assert_trees_all_equal(noisy["head"], params["head"])


def test_noise_is_a_function_of_its_seed_and_grows_with_its_deviation():
    params, mask = network()
    one, again, other, large = (
        draw.noisy_weights(params, mask, std, seed)["a"]["kernel"] - params["a"]["kernel"]
        for std, seed in ((0.5, 0), (0.5, 0), (0.5, 1), (1.0, 0))
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other)[mask["a"]["kernel"]].all()
    np.testing.assert_allclose(large, 2 * one, atol=1e-6)
    chex.assert_trees_all_equal(draw.noisy_weights(params, mask, 0.0), params)


@pytest.mark.parametrize("std", [-0.1, float("nan"), float("inf")])
def test_a_deviation_that_is_none_is_named(std):
    params, mask = network()
    with pytest.raises(InputError, match=f"std={std}"):
        draw.noisy_weights(params, mask, std)
