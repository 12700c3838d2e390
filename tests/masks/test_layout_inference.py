"""Layouts of real layers of linen, the axes checked by running them."""

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

KEY = jax.random.key(0)


def shapes_of(params) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in masks.leaf_paths(params).items()}


def inferred(params) -> dict[str, str | None]:
    shapes = shapes_of(params)
    return {path: infer(path, shapes) for path in shapes if "kernel" in path}


class Around(nn.Module):
    """A module around a layer, which linen then names by its class."""

    layer: Any

    @nn.compact
    def __call__(self, x):
        return self.layer()(x)


def kernel_of(layer, inputs, **options):
    params = jax.eval_shape(Around(partial(layer, **options)).init, KEY, jnp.ones(inputs))["params"]
    (layout,) = inferred(params).values()
    return layout


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


class Block(nn.Module):
    use_bias: bool = True

    @nn.compact
    def __call__(self, x, _):
        x = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(2, use_bias=self.use_bias)(x)
        x = x + nn.Conv(8, (3,), use_bias=self.use_bias)(x)
        return nn.Dense(8, use_bias=self.use_bias)(x), None


@pytest.mark.parametrize("use_bias", [True, False])
def test_stacks_of_a_scan_are_told_by_the_bias_or_not_at_all(use_bias):
    scanned = nn.scan(
        Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
    )  # (3, ...) in front of all parameters
    params = jax.eval_shape(scanned(use_bias).init, KEY, jnp.ones((1, 5, 8)), None)["params"]
    found = {path.removesuffix("/kernel"): layout for path, layout in inferred(params).items()}
    attention = "MultiHeadDotProductAttention_0"
    assert found == {
        "Conv_0": "swio" if use_bias else None,
        "Dense_0": "sio" if use_bias else None,
        f"{attention}/key": "sioo",
        f"{attention}/query": "sioo",
        f"{attention}/value": "sioo",
        f"{attention}/out": "siio",
    }


@pytest.mark.parametrize(("axis", "expected"), [(1, None), (-1, "ioo")])
def test_a_stack_on_another_axis_is_not_taken_for_one_in_front(axis, expected):
    stacked = nn.vmap(
        nn.Dense,
        in_axes=None,
        variable_axes={"params": axis},
        split_rngs={"params": True},
        axis_size=4,
    )
    assert kernel_of(stacked, (2, 8), features=6) == expected  # the last axis is like outputs
    assert kernel_of(stacked, (2, 8), features=8) is None  # inputs and outputs are alike


def test_copies_of_a_vmapped_layer():
    stacked = nn.vmap(
        nn.Dense,
        in_axes=None,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        axis_size=4,
    )
    assert kernel_of(stacked, (2, 8), features=6) == "sio"
    assert kernel_of(stacked, (2, 8), features=6, use_bias=False) is None
    convs = nn.vmap(
        nn.Conv, in_axes=None, variable_axes={"params": 0}, split_rngs={"params": True}, axis_size=4
    )
    options = {"features": 6, "kernel_size": (3,), "use_bias": False}
    assert kernel_of(convs, (2, 9, 8), **options) is None  # (4, 3, 8, 6), but no 2-D convolution


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"a/kernel": ()}, None),
        ({"a/kernel": (4,)}, None),
        ({"a/kernel": (1, 2, 3, 4, 5, 6)}, None),
        ({"a/kernel": (3, 8, 4)}, None),
        ({"a/kernel": (3, 8, 4), "a/bias": (4,)}, None),
        ({"a/kernel": (8, 8, 4), "a/bias": (8, 4)}, None),
        ({"a/kernel": (8, 4), "a/bias": (3,)}, None),
        ({"kernel": (8, 4), "bias": (4,)}, "io"),
        ({"w": (8, 4), "bias": (3,)}, "io"),
        ({"localizer/kernel": (8, 4)}, "io"),
        ({"localizer/kernel": (8, 4), "localizer/bias": (4,)}, "io"),
        ({"local_conv/kernel": (3, 3, 8, 4)}, "hwio"),
        ({"local_conv/kernel": (3, 3, 8, 4), "local_conv/bias": (4,)}, "hwio"),
        ({"local/kernel": (3, 3, 8, 4), "local/bias": (4,)}, "hwio"),
        ({"stem/kernel": (3, 3, 8, 4)}, "hwio"),
        ({"conv/kernel": (7, 1, 8, 4), "norm/scale": (4,)}, "hwio"),
        ({"conv/kernel": (7, 1, 8, 4), "conv/bias": (4,)}, "hwio"),
        ({"conv/kernel": (1, 7, 8, 4)}, "hwio"),
        ({"layers/conv/kernel": (12, 3, 8, 4)}, None),  # perhaps (layers, width, inputs, outputs)
        ({"q/kernel": (12, 64, 4, 16)}, None),  # (layers, inputs, heads, head size)
        ({"experts/kernel": (4, 3, 8, 6)}, None),  # (copies, width, inputs, outputs)
        ({"conv/kernel": (3, 3, 3, 8, 4), "norm/scale": (4,)}, "dhwio"),
        ({"conv/kernel": (3, 3, 3, 8, 4), "norm/scale": (3, 4)}, None),
        ({"conv/kernel": (3, 3, 8, 4), "norm/scale": (3, 4)}, None),
        ({"b/conv/kernel": (3, 3, 8, 4), "b/norm/scale": (3, 4), "norm/scale": (4,)}, None),
        ({"conv/kernel": (3, 3, 8, 4), "b/norm/scale": (3, 4), "norm/scale": (4,)}, "hwio"),
        ({"b/conv/kernel": (3, 3, 3, 8, 4), "b/conv/bias": (3, 4)}, "shwio"),
        # of Equinox and PyTorch: (outputs, inputs, space...)
        ({"fc/weight": (5, 8), "fc/bias": (5,)}, "oi"),
        ({"fc/weight": (8, 8), "fc/bias": (8,)}, None),
        ({"fc/weight": (5, 8)}, None),
        ({"attention/in_proj_weight": (24, 8)}, None),
        ({"conv/weight": (16, 16, 3, 3), "conv/bias": (16, 1, 1)}, None),
        ({"conv/weight": (3, 16, 3, 3), "conv/bias": (3,)}, None),
        ({"conv/weight": (4, 4, 3)}, None),
        # of Haiku, whose transposed convolutions have outputs before inputs
        ({"linear/w": (8, 5), "linear/b": (5,)}, "io"),
        ({"linear/w": (8, 5), "linear/b": (8,)}, "oi"),
        ({"conv2_d/w": (3, 3, 4, 8), "conv2_d/b": (8,)}, "hwio"),
        ({"conv2_d_transpose/w": (3, 3, 8, 4), "conv2_d_transpose/b": (8,)}, "hwoi"),
        # einsums of experts 'bei,eio->beo' and 'bei,eoi->beo', three stacks of layers
        ({"Einsum_0/kernel": (3, 8, 4), "Einsum_0/bias": (3, 4)}, "sio"),
        ({"Einsum_0/kernel": (3, 8, 8), "Einsum_0/bias": (3, 8)}, None),
        ({"Einsum_0/kernel": (2, 3, 8, 8), "Einsum_0/bias": (2, 3, 8)}, None),
        ({"fc/kernel": (2, 3, 4, 4, 8), "fc/bias": (2, 3, 4, 8)}, None),
        ({"fc/kernel": (2, 3, 5, 4, 8), "fc/bias": (2, 3, 5, 8)}, "sssio"),
    ],
)
def test_what_cannot_be_told_is_unknown(shapes, expected):
    assert infer(next(iter(shapes)), shapes) == expected


@pytest.mark.parametrize(
    "arch", ["resnet18", "resnet50_thin", "wide_resnet28_10", "efficientnet_lite0"]
)
def test_all_kernels_of_our_networks_are_known(arch: Arch):
    model = models.build(arch, 10, stem="small", width=0.25)
    params = jax.eval_shape(model.init, KEY, jnp.ones((1, 32, 32, 3)))["params"]
    assert set(inferred(params).values()) <= {"hwio", "io"}


class Residual(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return x + nn.Conv(8, (3, 3), use_bias=False)(nn.relu(x)), None


class StackUnderOneNorm(nn.Module):
    """Scanned convolutions under a name, and a normalisation outside of the stack."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), use_bias=False)(x)
        options = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}
        x, _ = nn.scan(Residual, length=4, **options)(name="body")(x, None)
        return nn.BatchNorm(use_running_average=True)(x)


def test_a_scale_outside_of_a_stack_says_nothing_of_what_is_in_it():
    params = jax.eval_shape(StackUnderOneNorm().init, KEY, jnp.ones((1, 6, 6, 3)))["params"]
    assert inferred(params) == {"Conv_0/kernel": "hwio", "body/Conv_0/kernel": None}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("layers/attention/o_proj", (12, 12, 64, 768)),  # 12 layers of 12 heads
        ("layers/q_proj", (16, 16, 4, 4)),  # as many layers as features
        ("up", (9, 9, 45, 7)),  # a local convolution
        ("up", (3, 3, 5, 7)),  # three copies of a 1-D convolution, or a turned kernel
        ("up", (5, 3, 3, 8, 8)),  # five copies of a convolution
        ("conv", (5, 3, 3, 8, 8)),
        ("conv", (5, 3, 8, 8)),  # five copies of a 1-D convolution
        ("deconv2", (3, 3, 8, 4)),
    ],
)
def test_what_copies_of_a_smaller_layer_look_like_is_unknown(path, shape):
    shapes = {f"{path}/kernel": shape, "norm/scale": (8,)}
    assert infer(f"{path}/kernel", shapes) is None


@pytest.mark.parametrize(
    ("path", "shape", "layout"),
    [
        ("stem", (3, 3, 8, 8), "hwio"),
        ("conv", (4, 4, 8, 8), "hwio"),
        ("conv", (1, 7, 8, 8), "hwio"),
        ("conv", (7, 1, 8, 8), "hwio"),
        ("conv", (3, 3, 3, 8, 8), "dhwio"),
        ("group", (3, 3, 8, 8), "hwio"),
    ],
)
def test_what_they_hardly_look_like_is_a_convolution(path, shape, layout):
    shapes = {f"{path}/kernel": shape, "norm/scale": (8,)}
    assert infer(f"{path}/kernel", shapes) == layout


@pytest.mark.parametrize("name", ["Einsum_0", "up", "deconv", "ConvTranspose_0"])
def test_as_many_inputs_as_outputs_under_a_name_of_turned_kernels_are_unknown(name):
    rank_2 = name == "Einsum_0"
    shapes = {f"{name}/kernel": (8, 8) if rank_2 else (3, 3, 8, 8), f"{name}/bias": (8,)}
    assert infer(f"{name}/kernel", shapes) is None
    assert infer("dense/kernel", {"dense/kernel": (8, 8), "dense/bias": (8,)}) == "io"
