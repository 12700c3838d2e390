"""What all arrays share that are read file by file: lazy parts, shapes, reading all of it."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from rtickets.data.images.on_demand import OnDemand

FILES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)


@dataclass(frozen=True, eq=False)
class Numbers(OnDemand):
    """Rows of `FILES` that remember which were read."""

    chosen: np.ndarray
    workers: int = 2
    read: list[int] = field(default_factory=list)

    @property
    def example_shape(self):
        return FILES.shape[1:]

    def evaluation(self, index):
        self.read.append(int(self.chosen[index]))
        return FILES[self.chosen[index]]


@pytest.fixture
def numbers():
    return Numbers(np.arange(5))


def test_a_part_is_not_read_until_it_is_looked_at(numbers):
    part = numbers[[3, 1]][::-1]
    assert numbers.read == []
    np.testing.assert_array_equal(np.asarray(part), FILES[[1, 3]])
    assert sorted(numbers.read) == [1, 3]


def test_it_has_the_shape_of_the_array_it_looks_like(numbers):
    assert (numbers.shape, numbers.ndim, len(numbers)) == (FILES.shape, FILES.ndim, len(FILES))
    assert numbers[2].shape == (1, 2, 3)  # examples stay the first axis
    assert numbers[:0].shape == np.asarray(numbers[:0]).shape == (0, 2, 3)


def test_all_is_read_in_another_type_if_asked(numbers):
    found = np.asarray(numbers, np.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, FILES)
