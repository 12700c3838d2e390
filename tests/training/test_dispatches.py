"""Where calls of the device end: at every multiple of a period, and at single steps once."""

import itertools

from rtickets.training.dispatches import dispatch_end


def ends(last, periods, most, once=()):
    found, step = [], 0
    while step < last:
        step = dispatch_end(step, 0, last, periods, most, once)
        found.append(step)
    return found


def test_a_single_step_ends_one_dispatch_and_its_multiples_none():
    assert ends(20, [10], 50) == [10, 20]
    assert ends(20, [10], 50, (3,)) == [3, 10, 20]
    assert 6 not in ends(20, [10], 50, (3,))


def test_dispatches_are_the_same_wherever_a_run_goes_on():
    for most, once in itertools.product((1, 3, 50), ((), (4,), (4, 11))):
        every = ends(24, [8, 6], most, once)
        assert set(once) <= set(every)
        assert all(b - a <= most for a, b in itertools.pairwise([0, *every]))
        for begin in every[:-1]:
            later, step = [], begin
            while step < 24:
                step = dispatch_end(step, 0, 24, [8, 6], most, once)
                later.append(step)
            assert later == [each for each in every if each > begin]
