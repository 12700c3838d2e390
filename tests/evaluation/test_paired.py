"""Intervals of paired comparisons against closed forms, scipy, exact enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtickets.evaluation.paired import (
    Uncertainty,
    half_width,
    holm,
    over_examples,
    over_seeds,
    p_value,
)


def test_the_interval_over_seeds_is_students():
    gains = [0.01, 0.03, 0.08, -0.02]
    low, high = stats.t.interval(0.95, 3, np.mean(gains), stats.sem(gains))
    half = half_width([over_seeds(gains)])
    assert (np.mean(gains) - half, np.mean(gains) + half) == pytest.approx((low, high))
    assert p_value(np.mean(gains), [over_seeds(gains)]) == pytest.approx(
        stats.ttest_1samp(gains, 0).pvalue
    )


def test_two_seeds_by_hand():
    # Student's quantile of one degree of freedom is tan(pi (0.975 - 1/2)), the error |a - b| / 2.
    half = half_width([over_seeds([0.1, 0.2])])
    assert half == pytest.approx(math.tan(math.pi * 0.475) * 0.05)


@pytest.mark.parametrize("gains", [[0.1], [0.1, 0.1, 0.1], [0.0, 0.0]])
def test_one_seed_or_equal_gains_tell_nothing_of_other_seeds(gains):
    assert over_seeds(gains) is None


def test_gains_that_are_equal_but_for_rounding_tell_nothing_of_other_seeds():
    gains = [0.7 - 0.6, 0.8 - 0.7]
    assert gains[0] != gains[1]
    assert over_seeds(gains) is None
    assert over_seeds([0.1, 0.101]) is not None
    large = [100.0, 100.0 + 1e-11]  # of values of thousands that is rounding
    assert over_seeds(large, 1e3) is None
    assert over_seeds(large) is not None


def agresti_min(plus, minus, count):
    """Return the standard error as published: half an example more in each of four cells."""
    n, b, c = count + 2, plus + 0.5, minus + 0.5
    return math.sqrt(b + c - (b - c) ** 2 / n) / n


@pytest.mark.parametrize(
    ("plus", "minus", "count"), [(7, 2, 30), (0, 0, 10), (10, 0, 10), (1, 0, 1)]
)
def test_the_width_over_examples_of_one_seed_is_that_of_agresti_and_min(plus, minus, count):
    differences = np.repeat([1.0, -1.0, 0.0], [plus, minus, count - plus - minus])
    error = agresti_min(plus, minus, count)
    assert over_examples(differences) == pytest.approx(Uncertainty(error, count + 1))


PAIRS = [(0.1, 0.1), (0.3, 0.05), (0.02, 0.02), (0.6, 0.3), (0.5, 0.0), (0.05, 0.0), (0.9, 0.05)]


@pytest.mark.parametrize(("count", "least"), [(20, 0.89), (100, 0.935)])
@pytest.mark.parametrize(("plus", "minus"), PAIRS)
def test_the_interval_over_examples_covers_by_enumeration(plus, minus, count, least):
    """Over all numbers of images that one branch alone gets right, by their probability."""
    b, c = (each.ravel() for each in np.mgrid[: count + 1, : count + 1])
    probability = stats.multinomial.pmf(
        np.stack([b, c, count - b - c], -1), count, [plus, minus, 1 - plus - minus]
    )
    covered = 0.0
    for right, wrong, p in zip(b, c, probability, strict=True):
        if p > 1e-6:
            each = np.repeat([1.0, -1.0, 0.0], [right, wrong, count - right - wrong])
            near = abs((right - wrong) / count - (plus - minus))
            covered += p * (near <= half_width([over_examples(each)]))
    assert covered > least


def test_many_examples_have_the_interval_of_the_central_limit_theorem():
    each = np.random.default_rng(0).choice([-1.0, -0.5, 0.0, 0.5, 1.0], 20_000)
    expected = stats.norm.ppf(0.975) * stats.sem(each)
    assert half_width([over_examples(each)]) == pytest.approx(expected, rel=1e-3)


def test_many_examples_are_as_a_paired_bootstrap_says():
    generator = np.random.default_rng(1)
    natural = generator.random(2000) < 0.7
    robust = np.where(generator.random(2000) < 0.8, natural, generator.random(2000) < 0.9)
    found = stats.bootstrap(
        (robust.astype(float), natural.astype(float)), lambda a, b, axis: (a - b).mean(axis),
        paired=True, n_resamples=2000, method="basic", rng=generator, vectorized=True,
    )  # fmt: skip
    half = half_width([over_examples(robust.astype(float) - natural)])
    low, high = found.confidence_interval
    assert 2 * half == pytest.approx(high - low, rel=0.06)


def test_weights_of_classes_give_the_interval_of_a_balanced_mean():
    """Two classes of very different sizes: the variances of both means, each weighed by 1/4."""
    generator = np.random.default_rng(2)
    sizes = (4000, 400)
    each = [generator.choice([-1.0, 0.0, 1.0], size, p=(0.1, 0.7, 0.2)) for size in sizes]
    weights = np.concatenate([np.full(size, 1 / (2 * size)) for size in sizes])
    expected = math.sqrt(sum(part.var() / len(part) / 4 for part in each))
    found = over_examples(np.concatenate(each), weights)
    assert found.error == pytest.approx(expected, rel=0.02)
    assert over_examples(np.concatenate(each), 7 * weights) == pytest.approx(found)


def test_equal_weights_are_none():
    each = np.array([1.0, 0.0, -1.0, 1.0, 0.5])
    assert over_examples(each, np.full(5, 0.2)) == pytest.approx(over_examples(each))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=6),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40),
)
def test_both_together_are_at_least_as_wide_as_either(gains, differences):
    spreads = [s for s in (over_seeds(gains), over_examples(np.array(differences))) if s]
    both = half_width(spreads)
    assert all(both >= half_width([one]) for one in spreads)
    assert half_width([over_examples(np.array(differences))]) > 0


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 1), st.floats(1e-4, 0.5), st.floats(1e-4, 0.5), st.integers(1, 5))
def test_p_is_below_005_exactly_where_the_interval_leaves_0_out(gain, a, b, freedom):
    spreads = [Uncertainty(a, freedom), Uncertainty(b, math.inf)]
    p = p_value(gain, spreads)
    assert 0 <= p <= 1
    half = half_width(spreads)
    if abs(abs(gain) - half) > 1e-6:
        assert (p < 0.05) == (half < abs(gain))


def test_p_of_no_gain_is_1_and_of_normal_spread_is_that_of_scipy():
    assert p_value(0.0, [Uncertainty(0.1, math.inf)]) == 1
    assert p_value(0.2, [Uncertainty(0.1, math.inf)]) == pytest.approx(2 * stats.norm.sf(2))
    assert p_value(5.0, [Uncertainty(1e-9, math.inf)]) < 1e-11


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize(
    ("of_seed", "of_example"), [(0.0, 0.4), (0.02, 0.4), (0.1, 0.2), (0.03, 0)]
)
def test_both_together_cover_where_seeds_and_examples_vary(seeds, of_seed, of_example):
    """Gains with a random part of the seed, of the example, and of both at once."""
    generator, examples, covered, tries = np.random.default_rng(3), 100, 0, 400
    for _ in range(tries):
        each = (
            0.05
            + of_seed * generator.standard_normal((seeds, 1))
            + of_example * generator.standard_normal((1, examples))
            + 0.2 * generator.standard_normal((seeds, examples))
        )
        spreads = [over_seeds(list(each.mean(1))), over_examples(each.mean(0))]
        covered += abs(each.mean() - 0.05) <= half_width(spreads)
    assert covered / tries > 0.94


def test_holm_by_hand_and_against_its_definition():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_steps_of_its_definition_reject(p_values):
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    passes = [p_values[place] <= 0.05 / (len(order) - rank) for rank, place in enumerate(order)]
    step_down = set(itertools.islice(order, ([*passes, False]).index(False)))
    margins = [abs(p_values[p] * (len(order) - r) - 0.05) for r, p in enumerate(order)]
    if min(margins) > 1e-9:
        assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == step_down
