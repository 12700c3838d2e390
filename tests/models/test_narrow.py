from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from rtickets import models
from rtickets.models import narrow
from rtickets.models.narrow import by_columns, convolve

LAYOUT = ("NHWC", "HWIO", "NHWC")


def plain(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)


def example(height=4, width=8, inputs=3, features=2, dtype=jnp.float32):
    """Images and a kernel; NumPy makes them sooner than XLA compiles them."""
    draw = np.random.default_rng(0).standard_normal
    shapes = (2, height, width, inputs), (3, 3, inputs, features)
    return tuple(jnp.asarray(draw(shape), dtype) for shape in shapes)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)
)
def test_columns_at_once_are_the_convolution(height, groups, columns, inputs, features):
    x, kernel = example(height, groups * columns, inputs, features)
    ours = jax.jit(by_columns, static_argnums=2)(x, kernel, columns)
    np.testing.assert_allclose(ours, plain(x, kernel), atol=1e-5)


@pytest.mark.parametrize("columns", [2, 4])
def test_gradients_are_those_of_the_convolution(columns):
    x, kernel = example()

    def slopes(conv):
        return jax.jit(jax.grad(lambda x, kernel: (conv(x, kernel) ** 2).sum(), (0, 1)))(x, kernel)

    for ours, expected in zip(
        slopes(partial(by_columns, columns=columns)), slopes(plain), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_it_maps_over_kernels_and_has_forward_derivatives():
    x, kernel = example()
    kernels = jnp.stack([kernel, 2 * kernel])
    mapped = jax.vmap(lambda kernel: by_columns(x, kernel, 2))(kernels)
    np.testing.assert_allclose(mapped, jnp.stack([plain(x, k) for k in kernels]), atol=1e-5)
    _, tangent = jax.jvp(lambda kernel: by_columns(x, kernel, 2), (kernel,), (kernel,))
    np.testing.assert_allclose(tangent, plain(x, kernel), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape", "columns"),
    [
        (nn.Conv(8, (3, 3)), (4, 8, 3), 4),
        (nn.Conv(8, (3, 3), padding=1), (4, 8, 8), 2),
        (nn.Conv(8, (3, 3), padding=1), (4, 6, 1), 2),
        (nn.Conv(8, (3, 3), padding=1), (4, 7, 1), 1),
        (nn.Conv(16, (3, 3)), (4, 8, 8), 1),
        (nn.Conv(8, (3, 3), strides=2), (4, 8, 3), 1),
        (nn.Conv(8, (3, 3), padding=0), (4, 8, 3), 1),
        (nn.Conv(8, (1, 1)), (4, 8, 3), 1),
        (nn.Conv(8, (3, 3), kernel_dilation=2), (4, 8, 3), 1),
        (nn.Conv(8, (3, 3), feature_group_count=2), (4, 8, 4), 1),
        (nn.Conv(8, (3, 3), dtype=jnp.bfloat16), (4, 8, 3), 1),
    ],
)
def test_layers_compute_what_they_do_without(layer, shape, columns, monkeypatch):
    used = []
    monkeypatch.setattr(
        narrow, "by_columns", lambda *args: used.append(args[2]) or by_columns(*args)
    )
    x = jax.random.normal(jax.random.key(0), (2, *shape))
    expected, variables = layer.init_with_output(jax.random.key(1), x)
    ours = layer.clone(conv_general_dilated=convolve).apply(variables, x)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert used == ([columns] if columns > 1 else [])


def test_other_layouts_and_groups_of_the_batch_are_left_to_xla():
    x, kernel = example(4, 8, 4, 2)
    other = ("NHWC", "HWIO", "NCHW")
    expected = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=other)
    ours = convolve(x, kernel, (1, 1), "SAME", dimension_numbers=other)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    groups = {"dimension_numbers": LAYOUT, "batch_group_count": 2}
    expected = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **groups)
    ours = convolve(x, kernel, (1, 1), "SAME", **groups)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_on_other_platforms_layers_call_xla(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(narrow, "by_columns", None)
    x, kernel = example()
    ours = convolve(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)
    np.testing.assert_array_equal(ours, plain(x, kernel))


def test_a_network_is_the_same_on_every_platform(monkeypatch):
    model = models.build("resnet18", 10, width=0.125, stem="small")
    x = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    variables = model.init(jax.random.key(1), x)
    here = model.apply(variables, x)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    there = model.apply(variables, x)
    np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-5)
    assert (np.asarray(here) != np.asarray(there)).any()  # both ways were taken
