"""Drawing on kernels that are not (inputs, outputs) is drawing on their canonical views."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks
from rtickets.draw import draw_omp, draw_scheduled, survivors
from rtickets.errors import InputError

PATTERNS = ["element", "row", "kernel", "channel", "block:2x3", "block:4x4"]
PATHS = ("a", "b")


def layers_of(seen):
    """Return the canonical kernels as a network of one leaf per layer."""
    layers = {}
    for path, (roles, _, canonical) in zip(PATHS, seen, strict=True):
        stack = canonical if "s" in roles else canonical[None]
        layers[path] = {f"kernel{index:02}": layer for index, layer in enumerate(stack)}
    return layers


def layouts_for(layers):
    """Return the layouts of the separate layers, which shapes alone do not tell."""
    names = {2: "io", 3: "wio", 4: "hwio", 5: "dhwio"}
    return {path: names[leaf.ndim] for path, leaf in masks.leaf_paths(layers).items()}


def drawn_unless_alike(params, sparsity, layouts, **options):
    """Draw a mask whatever the ties, or return None where all scores are alike."""
    try:
        return draw_omp(params, sparsity, layouts=layouts, say=lambda _: None, **options)
    except InputError as error:
        if "all score alike" not in str(error):
            raise
        return None


def check_same(seen, sparsity, **options):
    params = {path: {"kernel": s.kernel} for path, s in zip(PATHS, seen, strict=True)}
    layers = layers_of(seen)
    scores = options.pop("scores", None)
    of_layers = {} if scores is None else {"scores": jax.tree.map(scores, layers)}
    of_kernels = {} if scores is None else {"scores": jax.tree.map(scores, params)}
    options["prunable"] = ".*"
    expected = drawn_unless_alike(layers, sparsity, layouts_for(layers), **options, **of_layers)
    layouts = {f"{path}/kernel": s.roles for path, s in zip(PATHS, seen, strict=True)}
    mask = drawn_unless_alike(params, sparsity, layouts, **options, **of_kernels)
    if expected is None or mask is None:
        assert expected is mask
        return
    for path, s in zip(PATHS, seen, strict=True):
        drawn = np.stack(list(expected[path].values())) if "s" in s.roles else expected[path]
        drawn = drawn if "s" in s.roles else drawn["kernel00"]
        assert mask[path]["kernel"].shape == s.kernel.shape
        # every value of a kernel is different, so that it says where it lies
        own, other = mask[path]["kernel"], np.asarray(drawn)
        assert set(s.kernel[own].tolist()) == set(s.canonical[other].tolist())


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.sampled_from(PATTERNS),
    st.sampled_from(["global", "uniform", "erk"]),
    st.sampled_from(["magnitude", "random"]),
    st.sampled_from(["l1", "l2"]),
    st.floats(0, 0.99),
)
def test_every_pattern_scope_and_criterion(
    kernels, data, pattern, scope, criterion, norm, sparsity
):
    seen = data.draw(kernels()), data.draw(kernels())
    options = {"pattern": pattern, "scope": scope, "criterion": criterion, "group_norm": norm}
    check_same(seen, sparsity, **options)


@settings(max_examples=30, deadline=None)
@given(
    st.data(),
    st.sampled_from(PATTERNS),
    st.sampled_from(["global", "uniform", "erk"]),
    st.floats(0, 0.99),
)
def test_scores_of_ones_own_with_ties(kernels, data, pattern, scope, sparsity):
    seen = data.draw(kernels()), data.draw(kernels())
    check_same(seen, sparsity, pattern=pattern, scope=scope, scores=lambda leaf: leaf % 3 - 1)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.booleans())
def test_n_of_m(kernels, data, random):
    seen = data.draw(kernels(2)), data.draw(kernels(2))
    if all(s.canonical.shape[-2] % 4 == 0 for s in seen):
        check_same(seen, 0.5, pattern="2:4", criterion="random" if random else "magnitude")


@pytest.fixture(scope="module")
def attention():
    layer = nn.MultiHeadDotProductAttention(num_heads=3, qkv_features=12)
    return jax.jit(layer.init)(jax.random.key(0), jnp.ones((1, 5, 8)))[
        "params"
    ]  # 8 -> 3 heads of 4 -> 8


def test_2_of_4_of_attention_runs_over_inputs(attention):
    mask = draw_omp(attention, 0.5, pattern="2:4")
    query = mask["query"]["kernel"].reshape(2, 4, 3, 4)
    assert (query.sum(1) == 2).all()
    out = mask["out"]["kernel"]  # (3, 4, 8): the inputs of out are (head, place in the head)
    assert (out.sum(1) == 2).all()


def test_a_channel_of_attention_is_one_place_of_one_head(attention):
    sparsity = 0.75
    mask = draw_omp(attention, sparsity, pattern="channel", scope="uniform")
    lives = mask["query"]["kernel"].any(0)  # (3, 4)
    assert lives.sum() == survivors(12, sparsity)
    sums = np.abs(attention["query"]["kernel"]).sum(0)
    assert sums[lives].min() > sums[~lives].max()
    assert (mask["query"]["kernel"] == lives).all()
    assert mask["out"]["kernel"].any((0, 1)).sum() == survivors(8, sparsity)


def test_erk_of_attention_literally(attention):
    # every projection is a matrix of 8 x 12 or 12 x 8, so that all have one density
    mask = draw_omp(attention, 0.5, scope="erk")
    summary = masks.summary(mask, attention)
    assert {count.survivors for count in summary.leaves.values()} == {48}


def scanned(use_bias):
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return nn.relu(nn.Dense(8, use_bias=use_bias, name="dense")(x)), None

    stack = nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
    return jax.jit(stack().init)(jax.random.key(0), jnp.ones((1, 8)), None)["params"]


@pytest.mark.parametrize("scope", ["uniform", "erk"])
@pytest.mark.parametrize("pattern", ["element", "channel", "block:2x2"])
def test_every_copy_of_a_scanned_layer_has_its_own_budget(scope, pattern):
    params = scanned(use_bias=True)
    mask = draw_omp(params, 0.75, pattern=pattern, scope=scope)
    kept = mask["dense"]["kernel"].sum((1, 2))
    np.testing.assert_array_equal(kept, [16, 16, 16])
    if pattern == "channel":
        assert (mask["dense"]["kernel"].any(1).sum(1) == 2).all()


def test_a_kernel_of_unknown_layout_is_pruned_by_weights_alone():
    params = scanned(use_bias=False)
    for scope in ("global", "uniform"):
        mask = draw_omp(params, 0.75, scope=scope)
        assert mask["dense"]["kernel"].sum() == survivors(3 * 64, 0.75)
    for options in ({"pattern": "channel"}, {"pattern": "block:4x4"}, {"scope": "erk"}):
        with pytest.raises(InputError, match=r"dense/kernel.* \(3, 8, 8\)"):
            draw_omp(params, 0.75, **options)
    with pytest.raises(InputError, match="pattern='2:4'"):
        draw_omp(params, 0.5, pattern="2:4")
    mask = draw_omp(params, 0.75, pattern="channel", scope="uniform", layouts={".*/kernel": "sio"})
    assert (mask["dense"]["kernel"].any(1).sum(1) == 2).all()


def test_vectors_are_pruned_by_weights_alone():
    params = {"scale": np.arange(8.0), "dense": {"kernel": np.ones((4, 4))}}
    assert draw_omp(params, 0.5, prunable="scale")["scale"].sum() == 4
    with pytest.raises(InputError, match=r"scale.* \(8,\)"):
        draw_omp(params, 0.5, "channel", prunable=".*")


def test_a_transposed_convolution_by_channel():
    layer = nn.ConvTranspose(6, (2, 2), transpose_kernel=True)
    params = jax.jit(layer.init)(jax.random.key(0), jnp.ones((1, 4, 4, 3)))[
        "params"
    ]  # (2, 2, 6, 3)
    mask = draw_omp(params, 0.5, pattern="channel")
    np.testing.assert_array_equal(mask["kernel"].sum((0, 1, 3)) % 12, 0)
    x = jax.random.normal(jax.random.key(1), (2, 4, 4, 3))
    outputs = layer.apply({"params": masks.apply(mask, params)}, x)
    assert (jnp.abs(outputs).sum((0, 1, 2)) > 0).sum() == 3


def test_drawing_in_rounds_takes_names_of_layouts():
    params = scanned(use_bias=False)
    layouts = {"dense/kernel": "sio"}
    mask = draw_scheduled(
        params, 0.75, lambda p, *_: p, rounds=2, pattern="channel", scope="uniform", layouts=layouts
    )
    assert (mask["dense"]["kernel"].any(1).sum(1) == 2).all()
