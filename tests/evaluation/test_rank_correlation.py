"""Rank correlations against scipy, with exact probabilities, ties and few pairs."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtickets.evaluation.rank_correlation import rank_correlation

VALUES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=12)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_the_correlation_is_that_of_scipy_also_with_ties(pairs):
    x, y = np.array(pairs, float).T
    found = rank_correlation(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found == (None, None, None, None, len(x))
        return
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert 0 < found.p <= 1 or found.pairs > 8
    if found.pairs > 3:
        assert -1 <= found.low <= found.rho <= found.high <= 1


def test_the_probability_is_exact_for_few_pairs():
    """Of 4 distinct pairs two of 24 orders are perfect; of 3, two of 6."""
    assert rank_correlation(np.arange(4), np.arange(4) ** 3).p == pytest.approx(2 / 24)
    assert rank_correlation(np.arange(3), -np.arange(3)).p == pytest.approx(2 / 6)
    assert rank_correlation(np.arange(5), np.arange(5)).p == pytest.approx(2 / 120)


def test_the_probability_with_ties_is_the_share_of_orders_as_strong():
    x, y = np.array([1.0, 5, 2, 8, 3, 3]), np.array([2.0, 3, 1, 9, 2, 4])
    strong = [abs(stats.spearmanr(each, y).statistic) for each in permutations(x)]
    expected = np.mean(np.array(strong) >= abs(stats.spearmanr(x, y).statistic) - 1e-12)
    assert rank_correlation(x, y).p == pytest.approx(expected)


def test_many_pairs_have_the_probability_of_scipy():
    generator = np.random.default_rng(0)
    x = generator.normal(size=30)
    y = x + generator.normal(size=30)
    assert rank_correlation(x, y).p == pytest.approx(stats.spearmanr(x, y).pvalue)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_pairs_have_no_order(count):
    assert rank_correlation(np.arange(count), np.arange(count)) == (None,) * 4 + (count,)


def test_three_pairs_have_no_interval_and_a_perfect_order_has_a_wide_one():
    assert rank_correlation(np.arange(3), np.arange(3))[:3] == (1, None, None)
    perfect = rank_correlation(np.arange(4), np.arange(4))
    assert perfect.high == 1
    assert perfect.low < 0  # four in order are no proof
    turned = rank_correlation(np.arange(4), -np.arange(4))
    assert (turned.low, turned.high) == (-1, pytest.approx(-perfect.low))


def test_the_interval_is_that_of_bonett_and_wright():
    x, y = np.arange(10), np.array([1, 0, 3, 2, 5, 4, 7, 6, 9, 8])
    found = rank_correlation(x, y)
    half = stats.norm.ppf(0.975) * np.sqrt((1 + found.rho**2 / 2) / 7)
    expected = np.tanh(np.arctanh(found.rho) + half * np.array([-1, 1]))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_the_interval_covers_most_of_the_time():
    """Of normal pairs, whose rank correlation is (6 / pi) arcsin(rho / 2)."""
    generator, correlation, covered = np.random.default_rng(1), 0.5, 0
    truth = 6 / np.pi * np.arcsin(correlation / 2)
    for _ in range(300):
        x, e = generator.normal(size=(2, 20))
        found = rank_correlation(x, correlation * x + (1 - correlation**2) ** 0.5 * e)
        covered += found.low <= truth <= found.high
    assert covered / 300 > 0.9


@pytest.mark.parametrize("count", [9, 12, 30])
def test_a_perfect_order_of_many_is_as_unlikely_as_one_order_and_its_reverse(count):
    found = rank_correlation(np.arange(count), np.arange(count) ** 3)
    assert found.rho == 1
    assert found.p == pytest.approx(2 / math.factorial(count))
