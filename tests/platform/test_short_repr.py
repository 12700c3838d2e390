from typing import NamedTuple

import numpy as np
import pytest

from rtickets.attacks.ensemble.autoattack import WorstCase
from rtickets.data import Raw, Split
from rtickets.data.arrays import Dataset
from rtickets.evaluation.predict import Network
from rtickets.platform.short_repr import with_short_repr


@with_short_repr
class Holder(NamedTuple):
    one: object
    two: object = None


def test_arrays_say_their_type_and_shape():
    assert repr(Holder(np.zeros((3, 4), np.float32))) == "Holder(one=float32[3,4], two=None)"


def test_trees_say_how_much_they_hold():
    tree = {"a": {"kernel": np.zeros((3, 4))}, "b": [np.zeros(1000), np.float32(1)]}
    assert repr(Holder(tree)) == "Holder(one=<3 arrays, 1,013 numbers>, two=None)"


def test_parts_are_short_as_well_and_long_values_are_cut():
    text = repr(Holder(Holder(np.zeros(2)), "x" * 500))
    assert text.startswith("Holder(one=Holder(one=float64[2], two=None), two='xxx")
    assert len(text) < 150


MANY = np.linspace(0, 1, 10_000)
RESULTS = [
    cls(**dict.fromkeys(cls._fields, MANY)) for cls in (WorstCase, Raw, Dataset, Network)
] + [Split({"image": MANY, "label": MANY})]


@pytest.mark.parametrize("value", RESULTS, ids=lambda value: type(value).__name__)
def test_no_value_of_a_public_result_is_printed(value):
    assert len(repr(value)) < 400
    assert "..." not in repr(value)
