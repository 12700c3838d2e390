"""Gates of one's own, and kernels with layouts."""

from dataclasses import dataclass
from typing import Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic.dataclasses import dataclass as gate_settings

from rtickets.errors import InputError
from rtickets.masks.gates import (
    GateConfig,
    LearnedMask,
    TopScores,
    initial_scores,
    mask_of,
)
from tests.masks.gates.network.conftest import KAIMING, KEY, PATTERNS, apply_scores


@dataclass(frozen=True)
class Copies:
    """A gate whose scores start at the weights themselves."""

    def initial(self, weights, key):
        return dict(weights)


@gate_settings(frozen=True)
class CopiesSettings(GateConfig):
    name: Literal["copies"] = "copies"

    def on(self, layers):
        return Copies()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, jnp.bfloat16])
def test_a_gate_starts_from_the_weights_with_their_signs(dtype):
    kernel = np.array([[-3, 0.5], [0, 2]]).astype(dtype)
    if dtype == np.complex64:
        kernel = kernel * 1j
    params = {"a": {"kernel": jnp.asarray(kernel)}}
    found = initial_scores(LearnedMask(0.5, gate=CopiesSettings()), params, KEY)["a.kernel"]
    assert found.dtype == kernel.dtype
    np.testing.assert_array_equal(found, kernel)
    top = initial_scores(LearnedMask(0.5), params, KEY)["a.kernel"]
    np.testing.assert_array_equal(top, [[3, 0.5], [0, 2]])


def stack_and_attention(seed=0):
    """A stack of two matrices (3, 5) and the projection (2, 3, 4) of two heads of three."""
    generator = np.random.default_rng(seed)
    return {
        "out": {"kernel": jnp.asarray(generator.standard_normal((2, 3, 4)), jnp.float32)},
        "stack": {"kernel": jnp.asarray(generator.standard_normal((2, 3, 5)), jnp.float32)},
    }


NAMED = (("out/kernel", "iio"), ("stack/kernel", "sio"))


def matrices(tree):
    """Return the matrices (inputs, outputs) that the kernels are made of."""
    stack = tree["stack"]["kernel"]
    return {"out": tree["out"]["kernel"].reshape(6, 4), "stack0": stack[0], "stack1": stack[1]}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("start", ["magnitude", "kaiming"])
def test_a_kernel_with_a_layout_learns_as_its_matrices_do(pattern, scope, start):
    params = stack_and_attention()
    layers = {name: {"kernel": matrix} for name, matrix in matrices(params).items()}
    own = LearnedMask(0.5, pattern, scope, TopScores(start=start), layouts=NAMED)
    other = LearnedMask(0.5, pattern, scope, TopScores(start=start))
    scores, expected = (
        initial_scores(settings_, weights, KEY)
        for settings_, weights in ((own, params), (other, layers))
    )
    assert list(scores) == ["out.kernel", "stack.kernel[0]", "stack.kernel[1]"]
    chex.assert_trees_all_close(list(scores.values()), list(expected.values()))
    masks_of = mask_of(own, params, scores), mask_of(other, layers, expected)
    kept = {name: leaf["kernel"] for name, leaf in masks_of[1].items()}
    chex.assert_trees_all_equal(matrices(masks_of[0]), kept)

    def loss(settings_, weights, scores):
        leaves = jax.tree.leaves(apply_scores(settings_, weights, scores))
        return sum((leaf**2).sum() for leaf in leaves)

    gradient = jax.jit(jax.grad(lambda s: loss(own, params, s)))(scores)
    wanted = jax.jit(jax.grad(lambda s: loss(other, layers, s)))(expected)
    chex.assert_trees_all_close(list(gradient.values()), list(wanted.values()), rtol=1e-5)


def test_the_fan_in_of_attention_literally():
    # (40 inputs, 10 heads of 8) and (10 heads of 8, 40 outputs): 40 and 80 inputs
    names = ("key", "out", "query", "value")
    params = {n: {"kernel": np.ones((10, 8, 40) if n == "out" else (40, 10, 8))} for n in names}
    start = initial_scores(KAIMING, params, KEY)
    for name in names:
        bound = (80 if name == "out" else 40) ** -0.5
        assert 0.99 * bound < np.abs(start[f"{name}.kernel"]).max() <= bound


@pytest.mark.parametrize(("pattern", "start"), [("element", "kaiming"), ("channel", "magnitude")])
def test_an_unknown_layout_is_refused_before_anything_is_learnt(pattern, start):
    settings_ = LearnedMask(0.5, pattern, gate=TopScores(start=start))
    with pytest.raises(InputError, match=r"out/kernel.* \(2, 3, 4\)"):
        initial_scores(settings_, stack_and_attention(), KEY)
    initial_scores(LearnedMask(0.5), stack_and_attention(), KEY)
