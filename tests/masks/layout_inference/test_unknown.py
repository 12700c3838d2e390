"""What cannot be told is unknown: stacks, copies, names that could be either."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from rtickets.masks.layout_inference import infer
from tests.masks.layout_inference.conftest import KEY, inferred, kernel_of


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
