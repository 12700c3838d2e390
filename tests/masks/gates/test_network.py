from dataclasses import dataclass
from typing import Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic.dataclasses import dataclass as gate_settings

from rtickets import masks
from rtickets.draw import draw_omp, survivors
from rtickets.errors import InputError
from rtickets.masks.gates import (
    GateConfig,
    LearnedMask,
    TopScores,
    apply_gates,
    gates_of,
    initial_scores,
    mask_of,
)
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern

PATTERNS = ["element", "row", "kernel", "channel", "block:2x3"]
KEY = jax.random.key(0)
KAIMING = LearnedMask(0.5, gate=TopScores(start="kaiming"))


def apply_scores(settings, params, scores):
    return apply_gates(settings, params, gates_of(settings, params, scores, KEY))


def network(seed=0):
    generator = np.random.default_rng(seed)
    return {
        "conv1": {"kernel": generator.standard_normal((3, 3, 2, 4), np.float32)},
        "conv2": {"kernel": generator.standard_normal((1, 1, 4, 6), np.float32)},
        "head": {"kernel": generator.standard_normal((6, 3), np.float32), "bias": np.ones(3)},
    }


def random_scores(settings, params, seed=1):
    start = initial_scores(settings, params, KEY)
    generator = np.random.default_rng(seed)
    return {
        name: jnp.asarray(generator.standard_normal(score.shape), jnp.float32)
        for name, score in start.items()
    }


def joined(parts):
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize(
    ("pattern", "scope", "ranking"),
    [
        ("element", "uniform", "magnitude"),
        ("element", "global", "plain"),
        ("row", "uniform", "plain"),
        ("kernel", "global", "magnitude"),
        ("channel", "uniform", "magnitude"),
        ("block:2x3", "global", "plain"),
    ],
)
def test_the_forward_pass_is_the_masked_weights(pattern, scope, ranking):
    settings_ = LearnedMask(0.6, pattern, scope, TopScores(ranking=ranking))
    params = jax.tree.map(jnp.asarray, network())
    scores = random_scores(settings_, params)
    mask = mask_of(settings_, params, scores)
    applied = jax.jit(lambda scores: apply_scores(settings_, params, scores))(scores)
    chex.assert_trees_all_equal(applied, masks.apply(mask, params))
    assert mask["head"]["kernel"].shape == mask["head"]["bias"].shape == ()
    assert 0.5 < masks.sparsity(mask) < 0.8


@pytest.mark.parametrize("sparsity", [0.3, 0.97])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_uniform_keeps_exactly_k_whole_groups_in_every_layer(pattern, sparsity):
    settings_ = LearnedMask(sparsity, pattern)
    params = network()
    mask = mask_of(settings_, params, random_scores(settings_, params))
    for layer in ("conv1", "conv2"):
        keep = np.asarray(mask[layer]["kernel"], np.float32)
        alive = group_scores(keep, parse_pattern(pattern))
        assert set(np.unique(alive)) <= {0.0, 1.0}
        assert int(alive.sum()) == survivors(alive.size, sparsity)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_global_budget_is_kept_over_layers(pattern):
    sparsity = 0.7
    settings_ = LearnedMask(sparsity, pattern, "global")
    params = network()
    mask = mask_of(settings_, params, random_scores(settings_, params))
    shapes = [params[layer]["kernel"].shape for layer in ("conv1", "conv2")]
    sizes = joined(group_sizes(shape, parse_pattern(pattern)) for shape in shapes)
    kept = masks.summary(mask, params).prunable.survivors
    if len(set(sizes)) == 1:
        assert kept == sizes[0] * survivors(len(sizes), sparsity)
    else:
        assert 0 < kept <= max(survivors(sizes.sum(), sparsity), sizes.max())


def test_a_budget_smaller_than_a_group_leaves_a_group():
    settings_ = LearnedMask(0.99, "channel", "global")
    mask = mask_of(settings_, network(), random_scores(settings_, network()))
    assert masks.sparsity(mask) < 1


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [*((pattern, "uniform") for pattern in PATTERNS), ("element", "global"), ("channel", "global")],
)
def test_the_magnitude_start_is_the_ticket_of_magnitude(pattern, scope):
    params = network()
    settings_ = LearnedMask(0.7, pattern, scope)
    start = initial_scores(settings_, params, KEY)
    expected = draw_omp(params, 0.7, pattern, scope)
    chex.assert_trees_all_equal(mask_of(settings_, params, start), expected)


def test_ties_go_to_the_lower_index():
    params = {"a": {"kernel": np.ones((2, 3))}, "b": {"kernel": np.ones((2, 3))}}
    mask = mask_of(
        LearnedMask(0.5, scope="global"), params, {"a.kernel": np.ones((2, 3)),
                                                   "b.kernel": np.ones((2, 3))}
    )  # fmt: skip
    assert mask["a"]["kernel"].all()
    assert not mask["b"]["kernel"].any()


@pytest.mark.parametrize("ranking", ["magnitude", "plain"])
def test_the_gradient_literally(ranking):
    weights = jnp.array([[2.0, 3.0], [5.0, 7.0]])
    scores = {"a.kernel": jnp.array([[-1.0, 0.5], [0.25, -2.0]])}
    slopes = jnp.array([[1.0, 10.0], [100.0, 1000.0]])
    settings_ = LearnedMask(0.5, gate=TopScores(ranking=ranking))

    def apply(scores):
        return apply_scores(settings_, {"a": {"kernel": weights}}, scores)["a"]["kernel"]

    def loss(scores):
        return (slopes * apply(scores)).sum()

    # Weight times gradient, also of what is pruned; with 'magnitude' the score's sign as well.
    signs = {"magnitude": [[-1, 1], [1, -1]], "plain": [[1, 1], [1, 1]]}[ranking]
    expected = np.array([[2.0, 30.0], [500.0, 7000.0]]) * signs
    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(scores)["a.kernel"], expected)
    alive = {"magnitude": [[2, 0], [0, 7]], "plain": [[0, 3], [5, 0]]}[ranking]
    np.testing.assert_array_equal(apply(scores), alive)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_gradient_of_a_score_is_the_sum_over_its_group(pattern):
    settings_ = LearnedMask(0.5, pattern)
    params = jax.tree.map(jnp.asarray, network())
    scores = random_scores(settings_, params)
    slopes = jax.tree.map(jnp.asarray, network(7))

    def loss(scores):
        applied = apply_scores(settings_, params, scores)
        return sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), applied, slopes)))

    gradients = jax.grad(loss)(scores)
    assert set(gradients) == {"conv1.kernel", "conv2.kernel"}
    for layer in ("conv1", "conv2"):
        shape = params[layer]["kernel"].shape
        products = np.asarray(params[layer]["kernel"] * slopes[layer]["kernel"], np.float64)
        sums = group_scores(products, parse_pattern(pattern)) * group_sizes(
            shape, parse_pattern(pattern)
        )
        expected = sums * np.sign(scores[f"{layer}.kernel"])
        np.testing.assert_allclose(gradients[f"{layer}.kernel"], expected, rtol=1e-4, atol=1e-5)


def test_masks_map_over_scores_and_weights():
    settings_ = LearnedMask(0.6, "row", "global")
    members = [jax.tree.map(jnp.asarray, network(seed)) for seed in (0, 1)]
    scores = [random_scores(settings_, member, seed) for seed, member in enumerate(members)]
    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *part) for part in (members, scores)]
    together = jax.jit(jax.vmap(lambda p, s: apply_scores(settings_, p, s)))(*stacked)
    for index, (params, own) in enumerate(zip(members, scores, strict=True)):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], together)
        chex.assert_trees_all_equal(member, apply_scores(settings_, params, own))


def test_the_kaiming_start_is_uniform_within_one_over_the_root_of_the_fan_in():
    params = {"a": {"kernel": np.zeros((3, 3, 40, 20))}, "b": {"kernel": np.zeros((3, 3, 40, 20))}}
    start = initial_scores(KAIMING, params, KEY)
    bound = (3 * 3 * 40) ** -0.5
    for score in start.values():
        assert score.dtype == jnp.float32
        assert 0.99 * bound < np.abs(score).max() <= bound
        assert np.std(score) == pytest.approx(bound / 3**0.5, rel=0.03)
    assert (start["a.kernel"] != start["b.kernel"]).any()
    again = initial_scores(KAIMING, params, KEY)
    chex.assert_trees_all_equal(start, again)


def test_scores_do_not_share_memory_with_the_weights():
    params = network()
    start = initial_scores(LearnedMask(0.5), params, KEY)
    before = jax.tree.map(np.array, start)
    params["conv1"]["kernel"][:] = 0
    chex.assert_trees_all_equal(start, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pattern": "2:4"}, "pattern='2:4'"),
        ({"pattern": "rows"}, "pattern='rows' is unknown"),
        ({"prunable": "nothing"}, "prunable='nothing' matches none"),
        ({"exclude": "nothing"}, "exclude='nothing' matches none"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(InputError, match=message):
        initial_scores(LearnedMask(**{"sparsity": 0.5, **change}), network(), KEY)


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
