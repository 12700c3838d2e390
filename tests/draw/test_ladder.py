import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.draw.ladder import imp_ladder, states_to
from rtickets.errors import InputError

# Remaining percentages of the published 19 states (Fu et al. 2023 after Frankle & Carbin 2019).
REMAINING = [80, 64, 51.2, 40.96, 32.77, 26.21, 20.97, 16.78, 13.42, 10.74, 8.59, 6.87, 5.50, 4.40,
             3.52, 2.81, 2.25, 1.80, 1.44]  # fmt: skip


def test_the_default_is_the_published_ladder():
    assert [round(100 * (1 - sparsity), 2) for sparsity in imp_ladder()] == REMAINING
    assert imp_ladder()[-1] == pytest.approx(1 - 0.8**19, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0,), ()),
        ((3,), (0.2, 0.36, 0.488)),
        ((2, 0.5), (0.5, 0.75)),
        ((3, 0.3, "original"), (0.3, 0.6, 0.9)),
        ((4, 0.2, "original"), (0.2, 0.4, 0.6, 0.8)),
    ],
)
def test_ladders_literally(arguments, expected):
    assert imp_ladder(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0.0,), ()),
        ((0.1,), (0.1,)),
        ((0.2,), (0.2,)),
        ((0.36,), (0.2, 0.36)),
        ((0.5,), (0.2, 0.36, 0.488, 0.5)),
        ((0.9375, 0.5), (0.5, 0.75, 0.875, 0.9375)),
        ((0.5, 0.2, "original"), (0.2, 0.4, 0.5)),
        ((0.6, 0.2, "original"), (0.2, 0.4, 0.6)),
        ((0.9, 0.9), (0.9,)),
    ],
)
def test_the_way_to_a_sparsity_literally(arguments, expected):
    assert states_to(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "start", "expected"),
    [
        ((0.5,), 0.36, (0.488, 0.5)),
        ((0.5,), 0.4, (0.5,)),
        ((0.7,), 0.5, (0.6, 0.68, 0.7)),
        ((0.9375, 0.5), 0.75, (0.875, 0.9375)),
        ((0.9, 0.2, "original"), 0.5, (0.7, 0.9)),
        ((0.5, 0.2, "original"), 0.2, (0.4, 0.5)),
    ],
)
def test_the_way_from_a_pruned_network_literally(arguments, start, expected):
    assert states_to(*arguments, start=start) == expected


@pytest.mark.parametrize("states", range(1, 19))
@pytest.mark.parametrize(
    ("rate", "of"), [(0.2, "survivors"), (0.37, "survivors"), (0.05, "original")]
)
def test_whoever_goes_on_from_a_state_has_the_states_that_follow(states, rate, of):
    ladder = imp_ladder(19, rate, of)
    assert states_to(ladder[-1], rate, of, start=ladder[states - 1]) == ladder[states:]


@pytest.mark.parametrize("start", [0.5, 0.9])
def test_a_sparsity_that_is_reached_already_is_named(start):
    with pytest.raises(InputError, match=f"sparsity=0.5 .*{start}"):
        states_to(0.5, start=start)


@pytest.mark.parametrize("states", range(1, 20))
def test_a_state_of_the_ladder_is_reached_without_a_smaller_step(states):
    ladder = imp_ladder(states)
    assert states_to(ladder[-1]) == ladder


rates = st.floats(0.01, 0.9)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 0.99), st.floats(0.001, 0.99), rates,
       st.sampled_from(["survivors", "original"]))  # fmt: skip
def test_chains_rise_end_exactly_and_share_all_but_their_last_state(one, other, rate, of):
    shorter, longer = (states_to(end, rate, of) for end in sorted((one, other)))
    for chain, end in ((shorter, min(one, other)), (longer, max(one, other))):
        assert chain[-1] == end
        assert all(a < b for a, b in itertools.pairwise((0.0, *chain)))
    assert longer[: len(shorter) - 1] == shorter[:-1]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 0.99), rates)
def test_no_state_removes_more_than_the_rate_of_the_survivors(sparsity, rate):
    for before, after in itertools.pairwise((0.0, *states_to(sparsity, rate))):
        assert (1 - after) / (1 - before) >= 1 - rate - 1e-8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imp_ladder(3, 0.0), "rate=0.0 must be in"),
        (lambda: imp_ladder(3, 1.0), "rate=1.0 must be in"),
        (lambda: imp_ladder(-1), "states=-1 at least 0"),
        (lambda: imp_ladder(5, 0.2, "original"), "5 states of 0.2 of the original weights"),
        (lambda: states_to(1.0), "sparsity=1.0 is outside"),
        (lambda: states_to(-0.1), "sparsity=-0.1 is outside"),
        (lambda: states_to(float("nan")), "sparsity=nan is outside"),
        (lambda: states_to(0.5, 1.5), "rate=1.5 must be in"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
