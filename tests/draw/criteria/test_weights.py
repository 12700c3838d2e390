from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import config
from rtickets.draw.criteria import Criterion, magnitude, prunable_leaves, random
from rtickets.masks.prunable import replace_leaves
from rtickets.settings import config_files


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.float16])
def test_magnitude_is_the_absolute_value_in_float32_on_the_host(dtype):
    score = magnitude({"a/kernel": jnp.array([[-2, 0.5], [-0.0, 3]], dtype)})["a/kernel"]
    assert isinstance(score, np.ndarray)
    assert score.dtype == np.float32
    np.testing.assert_array_equal(score, [[2, 0.5], [0, 3]])


def test_random_scores_depend_on_seed_and_place_alone():
    shapes = {"a": (3, 4), "b": (3, 4)}
    first, again, other = random(shapes, 1), random(shapes, 1), random(shapes, 2)
    np.testing.assert_array_equal(first["a"], again["a"])
    assert (first["a"] != first["b"]).all()
    assert (first["a"] != other["a"]).any()
    assert 0 <= first["a"].min() <= first["a"].max() < 1


@pytest.mark.parametrize("name", get_args(Criterion))
def test_every_criterion_can_be_configured(name):
    assert config_files.parse(config.DrawConfig, {"criterion": name}).criterion == name


def test_leaves_are_picked_and_replaced_by_path():
    params = {"a": {"bias": 0.0, "kernel": np.ones(2)}, "head": {"kernel": np.ones(3)}}
    assert list(prunable_leaves(params)) == ["a/kernel"]
    replaced = replace_leaves(params, {"a/kernel": "new"})
    assert replaced["a"] == {"bias": 0.0, "kernel": "new"}
    assert replaced["head"]["kernel"] is params["head"]["kernel"]
