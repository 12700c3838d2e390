"""Graphs of ONNX answer as the functions that they were made of, or are refused in a line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.exporters.onnx_graph import make_onnx

X = np.random.default_rng(0).standard_normal((3, 6, 5, 4)).astype(np.float32)
TOKEN = np.random.default_rng(1).standard_normal((1, 1, 4)).astype(np.float32)


def own_token(x):
    own = jnp.broadcast_to(TOKEN, (x.shape[0], 1, 4))
    return jnp.concatenate([own, x.reshape(x.shape[0], -1, 4)], 1)


FUNCTIONS = {
    "one long beside spread": lambda x: (
        x.mean(-1, keepdims=True) * jnp.broadcast_to(jnp.float32(2.0), x.shape)
    ).sum(-1),
    "the same for all examples": lambda x: jnp.ones((x.shape[0], 3)),
    "batched product": lambda x: jnp.einsum("bhwc,bhwd->bcd", x, x),
    "product of pairs": lambda x: jnp.einsum("bi,ib->b", x.mean((1, 2)), x.max((1, 2)).T),
    "own token": own_token,
    "no axes": lambda x: x.sum(axis=()).mean((1, 2)),
    "not equal": lambda x: jnp.where(x.sum(-1) != 0, 1.0, 2.0),
    "part of rows": lambda x: jax.lax.slice(x, (0, 1, 0, 0), x.shape, (1, 1, 2, 1)).mean((1, 2)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_graphs_answer_as_functions_for_any_number_of_examples(name):
    runtime = pytest.importorskip("onnxruntime")
    function = FUNCTIONS[name]
    contents = make_onnx(function, X.shape[1:]).SerializeToString()
    session = runtime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    for x in (X, X[:1]):
        (found,) = session.run(None, {"image": x})
        expected = np.asarray(function(x))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


REFUSED = {
    "a part of the examples": lambda x: jax.lax.slice(x, (1, 0, 0, 0), x.shape).mean((1, 2)),
    "gather": lambda x: x[:, 0, ::2],
    "by a number": lambda x: jax.lax.select_n((x > 0).astype(jnp.int32), x, 2 * x),
    "less than nothing": lambda x: jax.lax.conv_general_dilated(
        x, np.ones((3, 3, 4, 2), np.float32), (1, 1), [(-1, 0), (0, 0)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_what_has_no_counterpart_is_refused_in_a_line(words):
    pytest.importorskip("onnx")
    with pytest.raises(InputError, match=words):
        make_onnx(REFUSED[words], X.shape[1:])
