from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtickets.masks.topk import keep_largest, top_k

# Few distinct values, so that most scores are tied.
scores = hnp.arrays(np.float32, st.integers(1, 60), elements=st.sampled_from([0, 0.5, 1, 2]))


def largest(values, k):
    """Mark the head of a stable sort, both zeros alike."""
    keep = np.zeros(values.size, bool)
    keep[np.argsort(-values, kind="stable")[:k]] = True
    return keep


@pytest.mark.parametrize(
    ("values", "k", "expected"),
    [
        ([1.0, 3.0, 2.0], 2, [0, 1, 1]),
        ([1.0, 1.0, 1.0], 2, [1, 1, 0]),
        ([-1.0, -3.0, -2.0], 1, [1, 0, 0]),
        ([-0.0, 0.0, -1.0], 1, [1, 0, 0]),
        ([0.0, -0.0, 1e-40], 1, [0, 0, 1]),
        ([np.inf, -np.inf, 0.0], 2, [1, 0, 1]),
        ([2.0, 1.0], 0, [0, 0]),
        ([2.0, 1.0], 2, [1, 1]),
        ([2.0], 1, [1]),
    ],
)
@pytest.mark.parametrize("compile_", [lambda fn: fn, jax.jit], ids=["eager", "jit"])
def test_the_largest_literally(values, k, expected, compile_):
    found = compile_(lambda v: keep_largest([v], [1], k)[0])(jnp.asarray(values, jnp.float32))
    np.testing.assert_array_equal(found, np.asarray(expected, bool))


SIZES = (4, 1, 3)  # of arrays that are ranked together
ENDS = np.cumsum(SIZES)[:-1]
numbers = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5]), st.floats(-8, 8, width=32))


@partial(jax.jit, static_argnums=3)
def keep_of(values, costs, budget, bits=None):
    """Compile once for all values, costs and budgets."""
    keep = keep_largest(jnp.split(values, ENDS), jnp.split(costs, ENDS), budget, bits)
    return jnp.concatenate(keep)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=8, max_size=8), st.integers(0, 8), st.sampled_from([1, 2, 4]))
def test_the_largest_of_several_arrays_are_the_head_of_a_stable_sort(values, k, bits):
    values = np.asarray(values, np.float32)
    found = keep_of(values, np.ones(8, np.int32), k, bits)
    np.testing.assert_array_equal(found, largest(values, k))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_exactly_k_of_many_under_jit_and_vmap(bits):
    generator = np.random.default_rng(0)
    values = np.round(generator.standard_normal((3, 400)) * 8) / 8  # with many ties
    values = values.astype(np.float32)

    def fn(first, second):
        return keep_largest([first.reshape(10, 20), second], [1, 1], 123, bits)

    found = jax.jit(jax.vmap(fn))(values[:, :200], values[:, 200:])
    for index, own in enumerate(values):
        kept = np.concatenate([part[index].ravel() for part in found])
        np.testing.assert_array_equal(kept, largest(own, 123))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=8, max_size=8),
    st.lists(st.integers(1, 9), min_size=8, max_size=8),
    st.integers(0, 40),
)
def test_what_is_kept_fits_into_the_budget_and_the_first_left_out_does_not(values, costs, budget):
    values, costs = np.asarray(values, np.float32), np.asarray(costs, np.int32)
    keep = np.asarray(keep_of(values, costs, budget))
    assert costs[keep].sum() <= budget
    assert values[keep].min(initial=4) >= values[~keep].max(initial=0)
    best_first = np.argsort(-values, kind="stable")
    spent = np.cumsum(costs[best_first])
    left_out = np.flatnonzero(~keep[best_first])
    assert not left_out.size or spent[left_out[0]] > budget


@pytest.mark.parametrize(
    ("values", "k", "expected"),
    [
        ([3, 1, 2], 0, [0, 0, 0]),
        ([3, 1, 2], 1, [1, 0, 0]),
        ([3, 1, 2], 2, [1, 0, 1]),
        ([3, 1, 2], 3, [1, 1, 1]),
        ([1, 1, 1, 1], 2, [1, 1, 0, 0]),
        ([0, 2, 1, 2, 1, 1], 4, [0, 1, 1, 1, 1, 0]),
        ([0, 0, 0, 5], 2, [1, 0, 0, 1]),
    ],
)
def test_top_k_literally(values, k, expected):
    keep = top_k(np.array(values, np.float32), k)
    assert keep.dtype == bool
    np.testing.assert_array_equal(keep, np.array(expected, bool))


@settings(max_examples=80, deadline=None)
@given(scores, st.data())
def test_top_k_is_the_head_of_a_stable_sort(values, data):
    k = data.draw(st.integers(0, values.size))
    expected = np.zeros(values.size, bool)
    expected[np.argsort(-values, kind="stable")[:k]] = True
    np.testing.assert_array_equal(top_k(values, k), expected)
