import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.masks.budget import erk_densities, share_out, survivors

sizes = st.lists(st.tuples(*[st.integers(1, 9)] * 4), min_size=1, max_size=6)


def kernels(shapes):
    return {f"layer{index}": np.empty(shape) for index, shape in enumerate(shapes)}


def test_erk_gives_the_published_proportions():
    # Densities proportional to (sum of dimensions) / (product): 22/576 and 38/2304.
    weights = kernels([(3, 3, 8, 8), (3, 3, 16, 16)])
    densities = erk_densities(weights, 0.9)
    assert densities["layer0"] / densities["layer1"] == pytest.approx((22 / 576) / (38 / 2304))
    kept = densities["layer0"] * 576 + densities["layer1"] * 2304
    assert kept == pytest.approx(0.1 * 2880)


def test_erk_keeps_a_layer_dense_that_would_need_more_than_all():
    densities = erk_densities(kernels([(1, 1, 2, 2), (3, 3, 64, 64)]), 0.5)
    assert densities["layer0"] == 1
    assert 0 < densities["layer1"] < 0.51


@given(sizes, st.floats(0, 0.99))
def test_erk_spends_the_budget_and_no_density_leaves_its_range(shapes, sparsity):
    weights = kernels(shapes)
    densities = erk_densities(weights, sparsity)
    total = sum(leaf.size for leaf in weights.values())
    kept = sum(densities[path] * leaf.size for path, leaf in weights.items())
    assert kept == pytest.approx((1 - sparsity) * total, rel=1e-6, abs=1e-6)
    assert all(0 < density <= 1 + 1e-9 for density in densities.values())


@given(sizes, st.floats(0, 0.99))
def test_shares_are_whole_and_exact(shapes, sparsity):
    weights = kernels(shapes)
    totals = {path: leaf.size for path, leaf in weights.items()}
    kept = share_out(totals, erk_densities(weights, sparsity), sparsity)
    assert sum(kept.values()) == survivors(sum(totals.values()), sparsity)
    assert all(0 <= kept[path] <= totals[path] for path in totals)


def test_remainders_that_tie_go_to_the_earlier_path():
    kept = share_out({"a": 3, "b": 3}, {"a": 0.5, "b": 0.5}, 0.5)
    assert kept == {"a": 2, "b": 1}


@pytest.mark.parametrize(("sparsity", "kept"), [(0.0, 1), (0.5, 1), (0.75, 1), (0.99, 1)])
def test_a_single_weight_is_never_removed(sparsity, kept):
    weights = kernels([(1, 1, 1, 1)])
    shares = share_out({"layer0": 1}, erk_densities(weights, sparsity), sparsity)
    assert shares == {"layer0": kept}
    assert survivors(1, sparsity) == kept


def test_the_one_weight_that_is_left_goes_to_the_largest_share():
    weights = kernels([(1, 1, 1, 2), (1, 1, 1, 1)])
    shares = share_out({"layer0": 2, "layer1": 1}, erk_densities(weights, 0.9), 0.9)
    assert sum(shares.values()) == survivors(3, 0.9) == 1
