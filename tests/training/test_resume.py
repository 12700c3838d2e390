"""What a checkpoint counted comes back as it was, and nothing else is taken for it."""

import json

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.training import Totals
from rtickets.training.resume import Tally, _tally


@pytest.mark.parametrize(
    "tally", [Tally(0), Tally(7, 0.5, 1.25, {"correct": 3, "by_class": [1, 2]}, 9, 120, 5)]
)
def test_what_was_counted_comes_back(tally):
    assert _tally(tally._asdict()) == tally


def test_sums_are_the_task_s_arrays_also_after_a_checkpoint():
    found = Tally(0)
    for _ in range(2):
        found = found.add(Totals(1.0, {"table": np.full((2, 2), 2**30, np.int32)}, 4, 0))
    for tally in (found, _tally(json.loads(json.dumps(found._asdict())))):
        assert tally.arrays["table"].diagonal().tolist() == [2**31, 2**31]


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"logged": "x"}, {"logged": 1, "more": 2}, {"logged": 1, "validation": "high"}],
)
def test_what_is_no_tally_is_named(values):
    with pytest.raises(InputError, match="another version"):
        _tally(values)
