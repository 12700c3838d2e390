import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtickets import masks
from rtickets.errors import InputError

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)
any_mask = hnp.arrays(bool, shapes)


@pytest.fixture
def network():
    return {
        "stem": {"kernel": np.arange(1.0, 7, dtype=np.float32).reshape(2, 3)},
        "block": {
            "conv": {"kernel": np.full((1, 1, 3, 4), 2, np.float32)},
            "norm": {"scale": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)},
        },
        "head": {"kernel": np.ones((4, 2), np.float32), "bias": np.zeros(2, np.float32)},
    }


def chosen_paths(params, **options):
    return {
        path for path, chosen in masks.leaf_paths(masks.select(params, **options)).items() if chosen
    }


def mask_of(stem, conv):
    return {"stem": {"kernel": np.array(stem, bool)}, "conv": {"kernel": np.array(conv, bool)}}


def test_leaf_paths_join_names_with_slashes(network):
    assert list(masks.leaf_paths(network)) == [
        "block/conv/kernel",
        "block/norm/bias",
        "block/norm/scale",
        "head/bias",
        "head/kernel",
        "stem/kernel",
    ]
    assert masks.leaf_paths(network)["stem/kernel"] is network["stem"]["kernel"]


def test_kernels_outside_the_head_are_prunable(network):
    assert chosen_paths(network) == {"stem/kernel", "block/conv/kernel"}


def test_a_head_further_down_is_not_prunable_and_a_similar_name_is():
    params = {"net": {"head": {"kernel": np.ones(2)}, "ahead": {"kernel": np.ones(2)}}}
    assert chosen_paths(params) == {"net/ahead/kernel"}


def test_exclude_takes_leaves_away(network):
    assert chosen_paths(network, exclude="stem/.*") == {"block/conv/kernel"}


def test_prunable_must_match_the_whole_path(network):
    assert chosen_paths(network, prunable=".*/bias") == {"block/norm/bias", "head/bias"}
    for part in ("kernel", "stem", "stem/k"):
        with pytest.raises(InputError, match=f"prunable='{part}' .*6 leaves"):
            masks.select(network, part)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prunable": "("}, r"prunable='\('"),
        ({"exclude": "["}, r"exclude='\['"),
        ({"exclude": "tail/.*"}, r"exclude='tail/\.\*' matches none"),
        ({"exclude": ".*"}, r"exclude='\.\*' leaves none"),
    ],
)
def test_bad_expressions_are_named(network, options, message):
    with pytest.raises(InputError, match=message):
        masks.select(network, **options)


def test_the_full_mask_has_the_shapes_of_prunable_leaves_and_scalars_elsewhere(network):
    mask = masks.full(network, exclude="stem/.*")
    assert jax.tree.structure(mask) == jax.tree.structure(network)
    found = {path: leaf.shape for path, leaf in masks.leaf_paths(mask).items()}
    assert found.pop("block/conv/kernel") == (1, 1, 3, 4)
    assert set(found.values()) == {()}
    assert all(leaf.dtype == bool and leaf.all() for leaf in jax.tree.leaves(mask))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_apply_keeps_the_dtype(dtype):
    params = {"kernel": jnp.arange(1, 5, dtype=dtype), "bias": jnp.ones(2, dtype)}
    mask = {"kernel": np.array([True, False, True, False]), "bias": np.ones((), bool)}
    applied = masks.apply(mask, params)
    assert {leaf.dtype for leaf in applied.values()} == {jnp.dtype(dtype)}
    np.testing.assert_array_equal(np.asarray(applied["kernel"], np.float32), [1, 0, 3, 0])
    np.testing.assert_array_equal(np.asarray(applied["bias"], np.float32), [1, 1])


def test_apply_gives_positive_zero_whatever_was_there():
    weights = {"kernel": np.array([np.nan, np.inf, -np.inf, -1, 5], np.float32)}
    applied = np.asarray(masks.apply({"kernel": np.arange(5) == 4}, weights)["kernel"])
    assert applied.tobytes() == np.array([0, 0, 0, 0, 5], np.float32).tobytes()


@settings(max_examples=20, deadline=None)
@given(any_mask, st.integers(0, 2**16))
def test_apply_is_zero_exactly_where_pruned(keep, seed):
    weights = np.random.default_rng(seed).uniform(1, 2, keep.shape).astype(np.float32)
    applied = np.asarray(masks.apply({"kernel": keep}, {"kernel": weights})["kernel"])
    np.testing.assert_array_equal(applied == 0, ~keep)
    np.testing.assert_array_equal(applied[keep], weights[keep])


def test_apply_maps_over_stacked_masks():
    kept = {"kernel": np.array([[True, False], [False, True]])}
    weights = {"kernel": jnp.array([3.0, 4.0])}
    applied = jax.vmap(masks.apply, in_axes=(0, None))(kept, weights)
    np.testing.assert_array_equal(applied["kernel"], [[3, 0], [0, 4]])


def test_sparsity_counts_the_prunable_weights_of_all_leaves_together():
    mask = {**mask_of([1, 0], [0, 0, 0, 1, 1, 1]), "bias": np.ones((), bool)}
    assert masks.sparsity(mask) == 0.5


def test_sparsity_of_a_mask_without_prunable_leaves_is_zero():
    assert masks.sparsity({"bias": np.ones((), bool)}) == 0


def test_summary_counts_per_leaf_over_prunable_and_over_all(network):
    mask = masks.full(network)
    mask["stem"]["kernel"] = np.array([[1, 0, 0], [0, 0, 1]], bool)
    summary = masks.summary(mask, network)
    assert summary.leaves == {"block/conv/kernel": (12, 12), "stem/kernel": (2, 6)}
    assert summary.prunable == (14, 18)
    assert summary.parameters == (32, 36)
    assert summary.leaves["stem/kernel"].sparsity == pytest.approx(4 / 6)
    assert summary.parameters.sparsity == pytest.approx(4 / 36)


def test_overlap_is_the_jaccard_index_per_leaf_and_over_all():
    a = mask_of([1, 1, 0, 0], [1, 0])
    b = mask_of([0, 1, 1, 0], [1, 0])
    assert masks.overlap(a, b) == {"stem/kernel": 1 / 3, "conv/kernel": 1.0, "": 0.5}


def test_overlap_of_empty_leaves_is_one():
    a, b = mask_of([0, 0], [1, 0]), mask_of([0, 0], [0, 1])
    assert masks.overlap(a, b) == {"stem/kernel": 1.0, "conv/kernel": 0.0, "": 0.0}


@settings(max_examples=30, deadline=None)
@given(any_mask, st.integers(0, 2**16))
def test_overlap_is_symmetric_and_one_with_itself(keep, seed):
    a = {"kernel": keep}
    b = {"kernel": np.random.default_rng(seed).random(keep.shape) < 0.5}
    assert masks.overlap(a, b) == masks.overlap(b, a)
    assert masks.overlap(a, a) == {"kernel": 1.0, "": 1.0}


@pytest.mark.parametrize("other", [mask_of([1, 1, 1], [1]), {"stem": {"kernel": np.ones(2, bool)}}])
def test_masks_of_different_networks_do_not_overlap(other):
    with pytest.raises(InputError, match="different networks"):
        masks.overlap(mask_of([1, 1], [1]), other)


def test_pack_stores_a_bit_a_weight_of_prunable_leaves():
    bits = masks.pack(
        {"kernel": np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], bool), "bias": np.ones((), bool)}
    )
    assert {path: value.tolist() for path, value in bits.items()} == {"kernel": [0x81, 0x80]}


@settings(max_examples=50, deadline=None)
@given(any_mask, any_mask)
def test_unpack_restores_what_pack_packed(stem, conv):
    mask = mask_of(stem, conv)
    paths = masks.leaf_paths(mask)
    restored = masks.unpack(masks.pack(mask), {path: leaf.shape for path, leaf in paths.items()})
    assert restored.keys() == paths.keys()
    for path, leaf in restored.items():
        assert leaf.dtype == bool
        np.testing.assert_array_equal(leaf, paths[path])


@pytest.mark.parametrize(
    ("bits", "shape"),
    [
        (np.zeros(1, np.uint8), (3, 3)),
        (np.zeros(3, np.uint8), (4, 4)),
        (np.zeros((1, 1), np.uint8), (8,)),
        (np.zeros(1, bool), (8,)),
    ],
)
def test_bits_that_do_not_fit_are_refused(bits, shape):
    with pytest.raises(InputError, match=r"kernel .*shape"):
        masks.unpack({"kernel": bits}, {"kernel": shape})


def test_bits_of_other_leaves_are_refused():
    with pytest.raises(InputError, match="different paths"):
        masks.unpack({"a": np.zeros(1, np.uint8)}, {"b": (8,)})


SCALARS = {
    "a": {"kernel": np.arange(1.0, 9, dtype=np.float32).reshape(2, 4)},
    "empty": {"kernel": np.zeros((3, 0), np.float32)},
    "scalar": {"kernel": np.full((), 0.01, np.float32)},
}


def test_scalar_and_empty_leaves_are_not_prunable():
    assert chosen_paths(SCALARS) == {"a/kernel"}
    mask = masks.full(SCALARS)
    assert {path: leaf.shape for path, leaf in masks.leaf_paths(mask).items()} == {
        "a/kernel": (2, 4),
        "empty/kernel": (),
        "scalar/kernel": (),
    }
    assert masks.summary(mask, SCALARS) == ({"a/kernel": (8, 8)}, (8, 8), (9, 9))


@pytest.mark.parametrize("prunable", ["scalar/.*", "empty/.*", "(scalar|empty)/kernel"])
def test_an_expression_for_leaves_that_cannot_be_pruned_is_refused(prunable):
    with pytest.raises(InputError, match=r"prunable=.*: (empty|scalar)/kernel"):
        masks.select(SCALARS, prunable)


def test_scalar_and_empty_leaves_may_be_excluded():
    assert chosen_paths(SCALARS, exclude="(scalar|empty)/.*") == {"a/kernel"}


def test_a_mask_of_an_empty_leaf_counts_nothing():
    mask = {"a": np.zeros((0, 3), bool), "b": np.array([True, False])}
    params = {"a": np.zeros((0, 3)), "b": np.ones(2)}
    assert masks.sparsity(mask) == 0.5
    assert masks.summary(mask, params) == ({"a": (0, 0), "b": (1, 2)}, (1, 2), (1, 2))
    assert masks.summary(mask, params).leaves["a"].sparsity == 0
    assert masks.overlap(mask, mask) == {"a": 1.0, "b": 1.0, "": 1.0}


def test_apply_keeps_numbers_that_jax_would_round():
    params = {"kernel": np.array([1e300, 1 + 2**-40, 3]), "count": np.int64(2**40)}
    applied = masks.apply({"kernel": np.array([True, True, False]), "count": True}, params)
    np.testing.assert_array_equal(applied["kernel"], [1e300, 1 + 2**-40, 0])
    assert (applied["kernel"].dtype, applied["count"]) == (np.float64, 2**40)


def test_apply_does_not_share_memory_with_the_weights():
    params = {"kernel": np.ones(2, np.float32), "bias": np.ones(64, np.float32)}
    applied = masks.apply({"kernel": np.array([True, False]), "bias": True}, params)
    params["bias"][:] = 2
    np.testing.assert_array_equal(applied["bias"], np.ones(64))


def test_a_leaf_without_a_name_does_not_hide_the_overlap_of_all():
    mask = {"": np.array([True, False]), "b": np.array([True, True])}
    with pytest.raises(InputError, match="without a name"):
        masks.overlap(mask, mask)


def test_apply_takes_numbers_of_python_where_nothing_may_be_pruned():
    applied = masks.apply(
        {"kernel": np.array([True, False]), "scale": True}, {"kernel": np.ones(2), "scale": 2.5}
    )
    np.testing.assert_array_equal(applied["kernel"], [1, 0])
    assert applied["scale"] == 2.5


@pytest.mark.parametrize("dtype", [">f4", ">f8", object])
def test_weights_that_jax_has_no_arrays_of_stay_what_they_are(dtype):
    weights = np.arange(1, 5).astype(dtype)
    applied = masks.apply({"k": np.array([True, False, True, False])}, {"k": weights})["k"]
    assert applied.dtype == weights.dtype
    np.testing.assert_array_equal(applied.astype(np.float64), [1, 0, 3, 0])


@pytest.mark.parametrize("given", [nn.Dense(3), "my-ticket", None, jnp.ones])
def test_what_has_no_weights_is_named_with_what_has(given):
    with pytest.raises(InputError) as error:
        masks.select(given)
    for part in (type(given).__name__, "['params']", "nnx.state"):
        assert part in str(error.value)
