"""Variants of networks: what they compute, by hand, and that impossible ones are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.config import ModelConfig
from rtickets.errors import InputError
from rtickets.models.preactivation import PreActivationBlock
from rtickets.models.settings import variants_of
from rtickets.settings import config_files


class Plain:
    """Normalisation that does nothing, so that blocks can be computed by hand."""

    def __init__(self, name):
        pass

    def __call__(self, x):
        return x


def conv(features, kernel_size, strides=1, padding=0, name=None):
    import flax.linen as nn

    ones = nn.initializers.ones
    return nn.Conv(
        features, kernel_size, strides, padding, use_bias=False, kernel_init=ones, name=name
    )


def run(block, x):
    variables = block.init(jax.random.key(0), x)
    return np.asarray(block.apply(variables, x))[0, ..., 0]


X = jnp.asarray(np.arange(-6, 10, dtype=np.float32).reshape(1, 4, 4, 1))


def shifted_sums(image, before, after, stride):
    """Sum 3x3 windows of a zero-padded image."""
    padded = np.pad(image, ((before, after), (before, after)))
    size = (padded.shape[0] - 3) // stride + 1
    return np.array(
        [
            [
                padded[i * stride : i * stride + 3, j * stride : j * stride + 3].sum()
                for j in range(size)
            ]
            for i in range(size)
        ]
    )


@pytest.mark.parametrize("padding", ["symmetric", "end"])
@pytest.mark.parametrize("shortcut", ["activated", "input", "input 3x3"])
def test_a_block_that_strides_is_what_its_description_says(padding, shortcut):
    block = PreActivationBlock(1, 2, conv, Plain, "relu", shortcut, padding)
    image = np.asarray(X)[0, ..., 0]
    relu = np.maximum(image, 0)
    before = 1 if padding == "symmetric" else 0
    y = np.maximum(shifted_sums(relu, before, 1, 2), 0)
    side = {
        "activated": relu[::2, ::2],
        "input": image[::2, ::2],
        "input 3x3": shifted_sums(image, before, 1, 2),
    }[shortcut]
    np.testing.assert_allclose(run(block, X), side + shifted_sums(y, 1, 1, 1), rtol=1e-6)


def test_a_block_that_changes_nothing_has_no_shortcut_layer_and_silu_where_asked():
    block = PreActivationBlock(1, 1, conv, Plain, "silu")
    image = np.asarray(X)[0, ..., 0]
    silu = lambda x: x / (1 + np.exp(-x))  # noqa: E731
    expected = image + shifted_sums(silu(shifted_sums(silu(image), 1, 1, 1)), 1, 1, 1)
    np.testing.assert_allclose(run(block, X), expected, rtol=1e-5)
    assert set(block.init(jax.random.key(0), X)["params"]) == {"conv1", "conv2"}


@pytest.mark.parametrize(
    ("variant", "activation", "expected"),
    [(None, None, "relu"), ("deepmind", None, "silu"), ("deepmind", "relu", "relu")],
)
def test_a_variant_has_its_activation_unless_another_is_asked_for(variant, activation, expected):
    config = ModelConfig("preact_resnet18", variant=variant, activation=activation)
    assert models.from_config(config, 3).activation == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arch": "resnet18", "variant": "caffe"}, "variant='caffe' .*resnet18"),
        ({"arch": "resnet50", "variant": "wong"}, "which has caffe"),
        ({"arch": "wide_resnet50_2", "variant": "deepmind"}, "wide_resnet50_2, which has none"),
        ({"arch": "efficientnet_lite0", "activation": "silu"}, "efficientnet_lite0 has ReLU6"),
    ],
)
def test_what_does_not_exist_is_named_by_the_configuration_and_the_function(values, message):
    with pytest.raises(InputError, match=message):
        config_files.parse(ModelConfig, values)
    with pytest.raises(InputError, match=message):
        models.build(values.pop("arch"), 3, **values)


def test_every_variant_is_built():
    for arch in ("resnet50", "wide_resnet70_16", "preact_resnet18", "preact_resnet34"):
        assert variants_of(arch)
        built = [models.build(arch, 3, variant=variant) for variant in (None, *variants_of(arch))]
        assert len(set(built)) == len(built)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4), r"123\.7.*\[0, 255\]"),
        ((0.5,) * 3, (58.4,) * 3, "a standard deviation"),
        ((-0.1,), (1.0,), "a mean"),
        ((0.5,), (0.0,), "a standard deviation"),
        ((0.5,), (-0.2,), "a standard deviation"),
        ((float("nan"),), (0.2,), "a mean"),
        ((0.5,) * 3, (0.2,), "have 3 and 1 values"),
        ((), (), "have 0 and 0 values"),
    ],
)
def test_pixel_statistics_that_are_none_of_images_in_0_to_1_are_refused(mean, std, message):
    with pytest.raises(InputError, match=message):
        models.build("resnet18", 3, mean=mean, std=std)
