"""Dead inputs and outputs as `ticket show` counts them, against layers that are run."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import draw_omp, masks
from rtickets.errors import InputError
from rtickets.tickets import inspect
from rtickets.tickets.ticket import Ticket

KEY = jax.random.key(0)
Copies = nn.vmap(nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True})

# a layer, and the shape of one example, whose last axes are its inputs
LAYERS = {
    "dense": (nn.Dense(6), (4,), 1),
    "attention's query": (nn.DenseGeneral((2, 3)), (4,), 1),
    "attention's out": (nn.DenseGeneral(4, axis=(-2, -1)), (2, 3), 2),
    "both": (nn.DenseGeneral((2, 3), axis=(-2, -1)), (3, 2), 2),
    "conv": (nn.Conv(6, (1, 1)), (3, 3, 4), 1),
    "transposed": (nn.ConvTranspose(6, (1, 1)), (3, 3, 4), 1),
    "transposed kernel": (nn.ConvTranspose(6, (1, 1), transpose_kernel=True), (3, 3, 4), 1),
    "local": (nn.ConvLocal(3, (1,)), (5, 2), 2),
    "copies": (Copies(6), (3, 4), 2),
}


def dead(apply, shape, own):
    """Count outputs that no input moves, and inputs that move no output, by running a layer."""
    axes = shape[len(shape) - own :]
    x = jax.random.normal(KEY, shape)
    before = np.asarray(apply(x))
    moved = np.zeros((int(np.prod(axes)), before.size), bool)
    for index in range(len(moved)):
        where = (..., *np.unravel_index(index, axes))
        moved[index] = (np.asarray(apply(x.at[where].add(1))) != before).ravel()
    spatial = int(np.prod(shape)) // len(moved)  # positions of an image share outputs
    outputs = moved.any(0).reshape(spatial, -1).any(0)
    return int((~outputs).sum()), int((~moved.any(1)).sum())


@pytest.mark.parametrize("name", LAYERS)
def test_dead_inputs_and_outputs_are_those_that_move_nothing(name):
    layer, shape, own = LAYERS[name]
    params = jax.jit(layer.init)(
        KEY, jnp.ones(shape) if name == "copies" else jnp.ones((1, *shape))
    )
    params = params["params"]
    generator = np.random.default_rng(3)
    keep = np.asarray(generator.random(params["kernel"].shape) < 0.15)
    mask = {"kernel": keep, "bias": np.ones((), bool)}
    pruned = masks.apply(mask, params)
    (row,) = inspect.layers(mask, params, _names(name))

    @jax.jit
    def apply(x):
        inputs = x if name == "copies" else x[None]
        return layer.apply({"params": pruned}, inputs)

    assert (row["zero_outputs"], row["zero_inputs"]) == dead(apply, shape, own)
    assert row["zero_outputs"] > 0


def _names(name):
    """A layer without a module around it has no name that tells these apart."""
    return {
        "attention's out": {"kernel": "iio"},
        "local": {"kernel": "sio"},
    }.get(name)


def test_outputs_of_attention_within_a_network():
    layer = nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=6)
    x = jax.random.normal(KEY, (3, 5, 4))
    params = jax.jit(layer.init)(KEY, x)["params"]
    mask = draw_omp(params, 0.5, pattern="channel", scope="uniform")
    mask["out"]["kernel"][0] = False  # the outputs of the first head go nowhere
    rows = {row["path"]: row for row in inspect.layers(mask, params)}
    run = partial(layer.apply, capture_intermediates=True, mutable=["intermediates"])
    _, seen = jax.jit(run)({"params": masks.apply(mask, params)}, x)
    for name in ("query", "key", "value", "out"):
        (outputs,) = seen["intermediates"][name]["__call__"]
        still = np.ptp(np.asarray(outputs).reshape(15, -1), axis=0) == 0
        assert rows[f"{name}/kernel"]["zero_outputs"] == still.sum() > 0
    assert rows["out/kernel"]["zero_inputs"] == 3
    assert rows["query/kernel"]["layout"] == "ioo"


def test_the_bias_of_the_weights_tells_a_stack():
    params = {"kernel": np.ones((3, 4, 5), np.float32), "bias": np.ones((3, 5), np.float32)}
    mask = masks.full(params, "kernel")
    mask["kernel"][1] = False
    ticket = Ticket(mask, params)
    (row,) = inspect.describe(ticket)["layers"]
    assert (row["layout"], row["zero_outputs"], row["zero_inputs"]) == ("sio", 5, 4)
    (row,) = inspect.layers(mask)
    assert row["layout"] is row["zero_outputs"] is row["zero_inputs"] is row["zero_kernels"] is None


def test_names_are_read_from_the_provenance_and_replaced():
    params = {"a": {"kernel": np.ones((3, 4, 5), np.float32)}}
    stored = {"a/kernel": "sio", "gone/kernel": "io"}
    ticket = Ticket(masks.full(params), params, {}, {"layouts": stored})
    (row,) = inspect.describe(ticket)["layers"]
    assert row["layout"] == "sio"
    (row,) = inspect.describe(inspect.with_names(ticket, ["a/.*=ioo"]))["layers"]
    assert row["layout"] == "ioo"
    assert inspect.with_names(ticket, ["a/.*=ioo"]).meta["layouts"] == {"a/kernel": "ioo"}
    for damaged in ({"layouts": 3}, {"layouts": {"a/kernel": 3}}, {"layouts": {"a/kernel": "x"}}):
        with pytest.raises(InputError, match="layout"):
            inspect.describe(Ticket(masks.full(params), params, {}, damaged))
