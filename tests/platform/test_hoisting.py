"""What a compiled function closes over is data: dead layers keep their answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.platform.hoisting import compiled

COMPILATIONS = 6  # half of them were wrong when weights were constants of the program


def network(x, kernels):
    """Return the means over places of two dead convolutions, each with relu(x + 1)."""
    for kernel in kernels:
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + np.linspace(1, 2, x.shape[-1], dtype=np.float32))
    return x.mean((1, 2))


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_dead_layers_that_are_closed_over_answer_their_biases(jitted, masked):
    kernels = [np.zeros(shape, np.float32) for shape in ((3, 3, 16, 32), (3, 3, 32, 32))]
    x = np.random.default_rng(0).random((8, 7, 7, 16), np.float32)
    expected = np.tile(np.linspace(1, 2, 32, dtype=np.float32), (8, 1))
    for number in range(COMPILATIONS):

        def forward(x, number=number):
            weights = [jnp.where(kernel > 0, 1, 0.0) for kernel in kernels] if masked else kernels
            return network(x, weights) + 0 * number

        function = compiled(jax.jit(forward) if jitted else forward)
        np.testing.assert_allclose(function(x), expected, rtol=1e-6)


def test_structure_shapes_and_kinds_of_arguments_are_told_apart():
    weights = np.arange(3, dtype=np.float32)
    seen = []

    @compiled
    def function(tree, scale):
        seen.append(1)
        return {"a": tree["x"] * weights * scale, "b": (tree["x"].sum(),)}

    for rows in (1, 2, 1):
        x = jnp.ones((rows, 3), jnp.float32)
        found = function({"x": x}, 2.0)
        np.testing.assert_array_equal(found["a"], np.tile(2 * weights, (rows, 1)))
        assert float(found["b"][0]) == 3 * rows
    assert len(seen) == 2
    assert function({"x": jnp.ones((1, 3), jnp.int32)}, 2.0)["a"].dtype == jnp.float32
    assert len(seen) == 3


def test_gradients_loops_and_keys_are_as_those_of_jit():
    weights, key = jnp.arange(4.0), jax.random.key(3)

    def function(x):
        noise = jax.random.normal(key, (4,))
        loss = lambda x: (jax.nn.relu(x * weights + noise) ** 2).sum()  # noqa: E731
        return jax.lax.fori_loop(0, 3, lambda _, x: x - 0.1 * jax.grad(loss)(x), x)

    x = jnp.ones(4)
    np.testing.assert_allclose(compiled(function)(x), jax.jit(function)(x), rtol=1e-6)
