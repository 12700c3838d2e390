import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.training.batches import batch_indices, steps_per_epoch


def test_every_epoch_sees_every_example_once():
    indices = batch_indices(20, 4, seed=3, start=0, stop=10).reshape(2, 20)
    for epoch in indices:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(20))
    assert (indices[0] != indices[1]).any()


def test_any_part_of_the_order_can_be_made_alone():
    whole = batch_indices(23, 4, seed=3, start=0, stop=17)
    parts = [batch_indices(23, 4, seed=3, start=a, stop=b) for a, b in ((0, 3), (3, 11), (11, 17))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (batch_indices(23, 4, seed=4, start=0, stop=17) != whole).any()


def test_a_batch_larger_than_the_data_is_named():
    with pytest.raises(InputError, match=r"batch_size=64 .*10"):
        steps_per_epoch(10, 64)
