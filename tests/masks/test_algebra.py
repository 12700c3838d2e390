"""Unions and intersections of masks."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets import masks
from rtickets.errors import InputError


def mask_of(seed, shape=(4, 3)):
    keep = np.random.default_rng(seed).random(shape) < 0.5
    return {"conv": {"kernel": keep, "bias": np.ones((), bool)}}


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_they_hold_for_every_weight(seeds):
    drawn = [mask_of(seed) for seed in seeds]
    kernels = [each["conv"]["kernel"] for each in drawn]
    both, either = masks.intersection(*drawn), masks.union(*drawn)
    np.testing.assert_array_equal(both["conv"]["kernel"], np.all(kernels, 0))
    np.testing.assert_array_equal(either["conv"]["kernel"], np.any(kernels, 0))
    assert both["conv"]["bias"].shape == ()
    assert both["conv"]["bias"]
    assert jax.tree.structure(both) == jax.tree.structure(drawn[0])
    if len(drawn) == 2:  # the index is that of these two
        common, alive = (each["conv"]["kernel"].sum() for each in (both, either))
        assert masks.overlap(*drawn)[""] == pytest.approx(common / alive if alive else 1)


@pytest.mark.parametrize("of", [masks.union, masks.intersection])
def test_masks_of_other_networks_are_refused(of):
    with pytest.raises(InputError, match="different networks"):
        of(mask_of(0), mask_of(0, (3, 4)))
    with pytest.raises(InputError, match="at least one"):
        of()
    with pytest.raises(InputError, match="conv/kernel"):
        of({"conv": {"kernel": np.ones((2, 2)), "bias": np.ones((), bool)}})
