"""What a checkpoint counted comes back as it was, and nothing else is taken for it."""

import pytest

from rtickets.errors import InputError
from rtickets.training.resume import Tally, _tally


@pytest.mark.parametrize(
    "tally", [Tally(0), Tally(7, 0.5, 1.25, {"correct": 3, "by_class": [1, 2]}, 9, 120, 5)]
)
def test_what_was_counted_comes_back(tally):
    assert _tally(tally._asdict()) == tally


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"logged": "x"}, {"logged": 1, "more": 2}, {"logged": 1, "validation": "high"}],
)
def test_what_is_no_tally_is_named(values):
    with pytest.raises(InputError, match="another version"):
        _tally(values)
