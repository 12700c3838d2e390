from typing import NamedTuple

import numpy as np
import pytest
from flax import nnx

from rtickets.errors import InputError
from rtickets.masks.paths import leaf_paths


class Pair(NamedTuple):
    value: object
    other: object


def test_containers_of_all_kinds_have_paths():
    tree = {"a": [1, (2, 3)], "b": {0: 4, 10: 5}, "c": Pair(6, {"x/y": 7})}
    expected = {"a/0": 1, "a/1/0": 2, "a/1/1": 3, "b/0": 4, "b/10": 5}
    assert leaf_paths(tree) == {**expected, "c/value": 6, "c/other/x/y": 7}
    assert leaf_paths(8) == {"": 8}


@pytest.mark.parametrize("tree", [{"a/b": 1, "a": {"b": 2}}, {"a": {"": {"b": 1}}, "a/": {"b": 2}}])
def test_two_leaves_of_one_path_are_refused(tree):
    with pytest.raises(InputError, match="'a/"):
        leaf_paths(tree)


def test_variables_of_nnx_are_no_part_of_a_path():
    model = nnx.Sequential(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Linear(3, 1, rngs=nnx.Rngs(1)))
    found = leaf_paths(nnx.state(model, nnx.Param))
    names = ["layers/0/bias", "layers/0/kernel", "layers/1/bias", "layers/1/kernel"]
    assert list(found) == names
    np.testing.assert_array_equal(found["layers/0/kernel"], model.layers[0].kernel[...])
    assert leaf_paths({"a": nnx.Param({"value": 1, "b": {"value": 2}})}) == {
        "a/b/value": 2,
        "a/value": 1,
    }
