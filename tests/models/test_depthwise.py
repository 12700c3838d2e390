from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.models.depthwise import DepthwiseConv, depthwise_conv, grouped_conv, shifted_sum


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width", "size"), [(5, 4, 3), (7, 8, 5), (1, 2, 5), (3, 3, 1)])
def test_shifted_images_are_the_grouped_convolution(height, width, size, stride):
    x = jax.random.normal(jax.random.key(0), (2, height, width, 3))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 1, 3))
    grouped, shifted, either = (
        jax.jit(partial(conv, stride=stride))(x, kernel)
        for conv in (grouped_conv, shifted_sum, depthwise_conv)
    )
    assert grouped.shape == (2, -(-height // stride), -(-width // stride), 3)
    np.testing.assert_allclose(shifted, grouped, atol=1e-5)
    np.testing.assert_allclose(either, grouped, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_those_of_the_grouped_convolution(stride):
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 1, 3))

    def loss(conv):
        total = jax.grad(lambda x, kernel: (conv(x, kernel, stride) ** 2).sum(), (0, 1))
        return jax.jit(total)(x, kernel)

    for ours, expected in zip(loss(depthwise_conv), loss(grouped_conv), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_stride_2_pads_the_end_alone_as_tensorflow_does():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    first = jnp.zeros((3, 3, 1, 1)).at[0, 0].set(1.0)  # picks the top left of every window
    expected = [[0, 2], [8, 10]]
    np.testing.assert_array_equal(depthwise_conv(x, first, 2)[0, :, :, 0], expected)


def test_it_maps_over_kernels():
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 3))
    kernels = jax.random.normal(jax.random.key(1), (4, 3, 3, 1, 3))
    mapped = jax.jit(jax.vmap(lambda kernel: depthwise_conv(x, kernel, 1)))(kernels)
    for result, kernel in zip(mapped, kernels, strict=True):
        np.testing.assert_allclose(result, grouped_conv(x, kernel, 1), atol=1e-5)


def test_the_layer_computes_in_its_precision_with_weights_in_float32():
    layer = DepthwiseConv(3, stride=2, dtype=jnp.bfloat16)
    output, variables = layer.init_with_output(jax.random.key(0), jnp.ones((1, 6, 6, 4)))
    assert variables["params"]["kernel"].shape == (3, 3, 1, 4)
    assert variables["params"]["kernel"].dtype == jnp.float32
    assert (output.shape, output.dtype) == ((1, 3, 3, 4), jnp.bfloat16)
