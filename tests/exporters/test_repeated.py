"""Products with weights of one value are written so that XLA keeps their answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.exporters.repeated import without_repeated

X = np.random.default_rng(0).random((8, 7, 7, 16)).astype(np.float32)


def network(x, value):
    for width in (16, 32):
        kernel = np.full((3, 3, width, 32), value, np.float32)
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + np.linspace(1, 2, 32, dtype=np.float32))
    return {"logits": x.mean((1, 2)) @ np.full((32, 3), value, np.float32)}


@pytest.mark.parametrize("value", [0.0, 0.01])
def test_a_compiled_program_answers_as_its_operations(value):
    with jax.disable_jit():
        expected = np.asarray(network(X, value)["logits"])
    for number in range(6):
        run = jax.jit(
            lambda x, number=number: without_repeated(lambda x: network(x, value))(x + 0 * number)
        )
        np.testing.assert_allclose(run(X)["logits"], expected, rtol=1e-5)


def test_zeros_leave_no_product_and_others_leave_two():
    def products(value):
        traced = jax.make_jaxpr(without_repeated(lambda x: network(x, value)))(X)
        names = [equation.primitive.name for equation in traced.jaxpr.eqns]
        return names.count("conv_general_dilated") + names.count("dot_general")

    assert products(0.0) == 0
    assert products(0.5) == 6


@pytest.mark.parametrize(
    "function", [jax.nn.elu, lambda x: jnp.where(x > 0, x, 0.0), lambda x: x * jnp.ones_like(x)]
)
def test_constants_of_as_many_examples_as_there_are_stay_open(function):
    (count,) = jax.export.symbolic_shape("b")
    given = jax.ShapeDtypeStruct((count, 3), jnp.float32)
    made = jax.export.export(jax.jit(without_repeated(function)))(given)
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_allclose(made.call(x), function(x), rtol=1e-6)


def test_other_weights_and_calls_stay_as_they_are():
    kernel = np.random.default_rng(1).standard_normal((16, 4)).astype(np.float32)
    function = lambda x: jax.jit(lambda x: jax.nn.softmax(x @ (kernel * 2)))(x)  # noqa: E731
    np.testing.assert_allclose(without_repeated(function)(X), function(X), rtol=1e-6)
    traced = jax.make_jaxpr(without_repeated(function))(jnp.asarray(X))
    assert str(traced).count("dot_general[") == 1
