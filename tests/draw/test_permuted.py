"""Layers of an encoder in another order."""

import jax
import numpy as np
import pytest

from rtickets import draw, masks, models
from rtickets.config import EncoderConfig, ModelConfig
from rtickets.errors import InputError
from rtickets.models.inputs import Input

SIZES = EncoderConfig(layers=4, hidden=8, heads=2, vocabulary=12, positions=6)


@pytest.fixture(scope="module")
def params():
    model = models.from_config(ModelConfig(arch="bert", encoder=SIZES), 2)
    inputs = tuple(Input(name, (6,), "int32") for name in ("tokens", "part", "segment"))
    return models.initialise(model, jax.random.key(0), inputs)[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_layer_has_all_matrices_of_another(params, seed):
    moved = draw.permuted_layers(params, seed)
    before, after = masks.leaf_paths(params), masks.leaf_paths(moved)
    source = {}
    for path, leaf in after.items():
        if not (path.startswith("layer") and path.endswith("kernel")):
            np.testing.assert_array_equal(leaf, before[path])
            continue
        number, _, name = path.partition("/")
        same = [n for n in range(1, 5) if np.array_equal(leaf, before[f"layer{n}/{name}"])]
        assert source.setdefault(number, same) == same
    assert sorted(n for (n,) in source.values()) == [1, 2, 3, 4]
    assert all(number != f"layer{n}" for number, (n,) in source.items())
    again = draw.permuted_layers(params, seed)
    jax.tree.map(np.testing.assert_array_equal, moved, again)


def test_layers_that_are_not_there_or_not_alike_are_refused(params):
    with pytest.raises(InputError, match=r"block.*0 layers"):
        draw.permuted_layers(params, layers=r"block(\d+)/.*")
    odd = {**params, "layer1": {"output": params["layer1"]["output"]}}
    with pytest.raises(InputError, match=r"1, 2, 3, 4 are not alike"):
        draw.permuted_layers(odd)
