"""Layers of linen and of our networks have the layout that they compute with."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rtickets import masks, models
from rtickets.masks.layout_inference import infer
from rtickets.models.settings import Arch
from tests.masks.layout_inference.conftest import KEY, Around, inferred, kernel_of


class Case(NamedTuple):
    layer: Any
    options: dict[str, Any]
    inputs: tuple[int, ...]
    with_bias: str | None
    without: str | None


IMAGE = (2, 6, 7, 8)
CASES = {
    "dense": Case(nn.Dense, {"features": 5}, (2, 8), "io", "io"),
    "square": Case(nn.Dense, {"features": 8}, (2, 8), "io", "io"),
    "conv": Case(nn.Conv, {"features": 5, "kernel_size": (3, 3)}, IMAGE, "hwio", "hwio"),
    "conv 1-D": Case(nn.Conv, {"features": 8, "kernel_size": (8,)}, (2, 9, 8), "wio", "wio"),
    "conv 3-D": Case(
        nn.Conv, {"features": 3, "kernel_size": (3, 3, 3)}, (1, 4, 4, 4, 3), "dhwio", None
    ),
    "depthwise": Case(
        nn.Conv,
        {"features": 8, "kernel_size": (3, 3), "feature_group_count": 8},
        IMAGE,
        "hwio",
        "hwio",
    ),
    "transposed": Case(
        nn.ConvTranspose, {"features": 5, "kernel_size": (3, 3)}, IMAGE, "hwio", None
    ),
    "transposed kernel": Case(
        nn.ConvTranspose,
        {"features": 5, "kernel_size": (3, 3), "transpose_kernel": True},
        IMAGE,
        "hwoi",
        None,
    ),
    "transposed square": Case(
        nn.ConvTranspose, {"features": 8, "kernel_size": (3, 3)}, IMAGE, None, None
    ),
    "local": Case(nn.ConvLocal, {"features": 5, "kernel_size": (3, 3)}, IMAGE, "ssio", "ssio"),
    "local 1-D": Case(nn.ConvLocal, {"features": 5, "kernel_size": (3,)}, (2, 7, 8), "sio", "sio"),
    "features": Case(nn.DenseGeneral, {"features": (3, 5)}, (2, 8), "ioo", None),
    "two inputs": Case(nn.DenseGeneral, {"features": 5, "axis": (-2, -1)}, (2, 7, 8), "iio", None),
    "both": Case(nn.DenseGeneral, {"features": (4, 5), "axis": (1, 2)}, (2, 7, 8), "iioo", None),
    "batch": Case(nn.DenseGeneral, {"features": 5, "batch_dims": (0,)}, (2, 7, 8), "sio", None),
    "einsum": Case(nn.Einsum, {"shape": (5, 8), "einsum_str": "bi,oi->bo"}, (2, 8), "oi", None),
    "einsum heads": Case(
        nn.Einsum, {"shape": (8, 2, 3), "einsum_str": "bi,ihd->bhd"}, (2, 8), "ioo", None
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_layer_has_the_layout_it_computes_with(case):
    assert kernel_of(case.layer, case.inputs, **case.options) == case.with_bias
    assert kernel_of(case.layer, case.inputs, use_bias=False, **case.options) == case.without


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.with_bias])
def test_an_output_depends_on_its_own_part_of_the_kernel_alone(name):
    case = CASES[name]
    layer = Around(partial(case.layer, **case.options))
    x = jax.random.normal(KEY, case.inputs)
    params = jax.jit(layer.init)(KEY, x)["params"]
    (path, kernel), *_ = ((p, k) for p, k in masks.leaf_paths(params).items() if "kernel" in p)
    module, leaf = path.split("/")
    roles = case.with_bias
    index = tuple(0 if role in "so" else slice(None) for role in roles)
    cut = {module: {**params[module], leaf: kernel.at[index].set(0)}}
    outputs = tuple(0 for role in roles if role in "so")
    own = (0, ..., 0) if name == "batch" else (..., *outputs)  # its stack is the batch axis
    apply = jax.jit(lambda p: layer.apply({"params": p}, x))
    before, after = apply(params), apply(cut)  # biases are 0
    assert (before[own] != 0).any()
    assert (after[own] == 0).all()
    np.testing.assert_allclose(after.at[own].set(0), before.at[own].set(0), atol=1e-6)


@pytest.mark.parametrize("use_bias", [True, False])
def test_attention_is_told_by_its_four_projections(use_bias):
    layer = nn.MultiHeadDotProductAttention(num_heads=2, use_bias=use_bias)
    shape = (1, 5, 8)
    found = inferred(jax.eval_shape(layer.init, KEY, jnp.ones(shape))["params"])
    projections = {"key/kernel": "ioo", "query/kernel": "ioo", "value/kernel": "ioo"}
    assert found == {**projections, "out/kernel": "iio"}
    del layer
    model = nnx.eval_shape(
        lambda: nnx.MultiHeadAttention(2, 8, use_bias=use_bias, decode=False, rngs=nnx.Rngs(0))
    )
    assert inferred(nnx.state(model, nnx.Param)) == {**projections, "out/kernel": "iio"}


def test_a_lone_layer_with_the_name_of_a_projection_is_no_attention():
    shapes = {"query/kernel": (3, 8, 4), "value/kernel": (1, 1, 8, 8), "out/kernel": (3, 8, 4)}
    assert infer("query/kernel", shapes) is None
    assert infer("value/kernel", shapes) == "hwio"
    four = {f"{name}/kernel": (8, 2, 4) for name in ("query", "key", "value", "out")}
    assert {infer(path, four) for path in four} == {None}  # (heads, head size, out) would be alike


@pytest.mark.parametrize(
    "arch", ["resnet18", "resnet50_thin", "wide_resnet28_10", "efficientnet_lite0"]
)
def test_all_kernels_of_our_networks_are_known(arch: Arch):
    model = models.build(arch, 10, stem="small", width=0.25)
    params = jax.eval_shape(model.init, KEY, jnp.ones((1, 32, 32, 3)))["params"]
    assert set(inferred(params).values()) <= {"hwio", "io"}
