"""Matching, winning and double-win tickets, against values that can be worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.evaluation.matching import (
    Level,
    double_win,
    highest,
    is_known,
    level,
    matches,
    together,
)

DENSE = Level(0.75, 0.125, 3)


def test_a_level_has_mean_and_sample_deviation():
    assert level([0.5, 0.75, 1.0]) == (0.75, 0.25, 3)
    assert level([0.5]) == (0.5, None, 1)
    assert level([0.2, 0.4]).std == pytest.approx(0.1 * math.sqrt(2))
    with pytest.raises(InputError, match="none"):
        level([])


@pytest.mark.parametrize(
    ("score", "strict", "within"),
    [(0.75, True, True), (0.7499, False, True), (0.625, False, True), (0.6249, False, False),
     (1.0, True, True)],
)  # fmt: skip
def test_strict_is_at_least_the_mean_and_within_a_deviation_below(score, strict, within):
    assert matches(score, DENSE) is strict
    assert matches(score, DENSE, "within_std") is within
    # Of what is better the lower, as the same distances on the other side.
    assert matches(1.5 - score, DENSE, "strict", higher_is_better=False) is strict
    assert matches(1.5 - score, DENSE, "within_std", higher_is_better=False) is within


def test_one_seed_has_no_deviation_to_be_within():
    assert matches(0.5, Level(0.75, None, 1), "within_std") is None
    assert matches(0.5, Level(0.75, None, 1)) is False


@given(st.integers(1, 2000), st.lists(st.integers(0, 2000), min_size=3, max_size=3), st.data())
def test_as_many_right_answers_match_however_floats_round(examples, right, data):
    """Means of seeds whose right answers have one sum are equal; their floats may not be."""
    moved = data.draw(st.integers(0, min(right)))
    others = [right[0] + moved, right[1] - moved, right[2]]
    reference = level([each / examples for each in right])
    for higher in (True, False):
        score = level([each / examples for each in others]).mean
        assert matches(score, reference, higher_is_better=higher)
        one_less = [others[0] + (-1 if higher else 1), *others[1:]]
        behind = level([each / examples for each in one_less]).mean
        assert not matches(behind, reference, higher_is_better=higher)


def test_a_tie_that_floats_break():
    dense, ticket = (level(each).mean for each in ([0.8, 0.8, 0.8], [0.7, 0.8, 0.9]))
    assert ticket < dense  # by rounding alone
    assert matches(ticket, level([0.8, 0.8, 0.8])) is True
    assert matches(ticket, level([0.8, 0.8, 0.8]), "within_std") is True


def test_an_unknown_criterion_is_refused():
    with pytest.raises(InputError, match=r"'loose'.*'strict', 'within_std'"):
        matches(0.5, DENSE, "loose")


def test_the_highest_is_the_largest_that_holds_whatever_holds_below():
    assert highest({0.2: True, 0.36: False, 0.488: True, 0.59: False}) == 0.488
    assert highest({0.2: False, 0.36: None}) is None
    assert not is_known({0.2: None})


def test_a_double_win_needs_all_three_at_one_sparsity():
    """SA, trained naturally, up to 0.8; SA and RA, trained adversarially, with gaps."""
    natural = {0.2: True, 0.5: True, 0.8: True, 0.9: False}
    robust = {0.2: True, 0.5: True, 0.8: False, 0.9: True}
    attacked = {0.2: False, 0.5: True, 0.8: True, 0.9: True}
    found = double_win(natural, robust, attacked)
    assert found == {0.2: False, 0.5: True, 0.8: False, 0.9: False}
    assert highest(found) == 0.5
    # No more than the smallest of the three, which need not be reached.
    assert highest(found) < min(map(highest, (natural, robust, attacked)))


def test_what_is_not_known_is_not_claimed():
    assert together([{0.2: True, 0.5: False}, {0.2: None, 0.5: None}]) == {0.2: None, 0.5: False}
    assert together([{0.2: True, 0.5: True}, {0.5: True}]) == {0.5: True}
    assert together([]) == {}


ladders = st.dictionaries(
    st.sampled_from([0.2, 0.36, 0.488]), st.booleans() | st.none(), min_size=1
)


@given(st.lists(ladders, min_size=1, max_size=4))
def test_what_holds_together_holds_in_each(parts):
    best = highest(together(parts))
    assert best is None or all(part[best] for part in parts)
    if best is not None:
        assert all(best <= highest(part) for part in parts)


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_strict_implies_within_a_deviation(score, seeds):
    reference = level(seeds)
    if matches(score, reference):
        assert matches(score, reference, "within_std")
