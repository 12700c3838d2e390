from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rtickets
from rtickets import masks
from rtickets.draw.criteria import CRITERIA, Criterion
from rtickets.draw.omp import draw_omp
from rtickets.errors import InputError
from rtickets.masks.budget import survivors

sparsities = st.floats(0, 1, exclude_max=True)


def network(*sizes, seed=0, ties=False):
    generator = np.random.default_rng(seed)

    def kernel(number, size):
        values = generator.integers(-2, 3, size) if ties else generator.standard_normal(size)
        if ties:
            values.flat[0] = 3 + number  # all alike would be refused
        return {"kernel": values.astype(np.float32), "bias": np.zeros(3, np.float32)}

    return {f"layer{number}": kernel(number, size) for number, size in enumerate(sizes)}


def ignore(_):
    """Take a line about ties, which these tests make on purpose."""


def kept(mask):
    return {path: int(leaf.sum()) for path, leaf in masks.leaf_paths(mask).items() if leaf.ndim}


@pytest.mark.parametrize(
    ("total", "sparsity", "expected"),
    [
        (10, 0.0, 10),
        (10, 0.5, 5),
        (10, 0.9, 1),
        (10, 0.99, 1),
        (1000, 0.9, 100),
        (1000, 0.999, 1),
        (3, 0.5, 1),
        (5, 0.5, 3),
        (1, 0.99, 1),
        (0, 0.5, 0),
        (11_164_352, 0.98, 223_287),
    ],
)
def test_survivors_literally(total, sparsity, expected):
    assert survivors(total, sparsity) == expected
    assert type(survivors(total, sparsity)) is int


@pytest.mark.parametrize("sparsity", [-0.1, 1, 1.5, 90, float("nan"), float("inf")])
def test_a_sparsity_outside_the_unit_interval_is_named(sparsity):
    with pytest.raises(InputError, match=f"sparsity={sparsity}"):
        survivors(10, sparsity)


def test_global_scope_ranks_all_layers_together():
    params = {
        "a": {"kernel": np.array([[0.1, -0.2]], np.float32), "bias": np.array([0.0, 0.0])},
        "b": {"kernel": np.array([-0.3, 0.15, 0.4, 0.0], np.float32)},
        "head": {"kernel": np.zeros((4, 2), np.float32)},
    }
    mask = draw_omp(params, 0.5)
    np.testing.assert_array_equal(mask["a"]["kernel"], [[False, True]])
    np.testing.assert_array_equal(mask["b"]["kernel"], [True, False, True, False])
    assert jax.tree.structure(mask) == jax.tree.structure(params)
    assert [mask["a"]["bias"].shape, mask["head"]["kernel"].shape] == [(), ()]


def test_uniform_scope_gives_every_layer_its_share():
    params = network((4, 5), (10,))
    params["layer1"]["kernel"] *= 1e-3
    assert kept(draw_omp(params, 0.8, scope="uniform")) == {"layer0/kernel": 4, "layer1/kernel": 2}
    assert kept(draw_omp(params, 0.8)) == {"layer0/kernel": 6, "layer1/kernel": 0}


def test_ties_go_to_the_lower_index_across_layers():
    params = {name: {"kernel": np.ones((2, 2), np.float32)} for name in ("a", "b")}
    params["a"]["kernel"][0, 0] = 2
    mask = draw_omp(params, 0.375, say=ignore)
    np.testing.assert_array_equal(mask["a"]["kernel"], [[True, True], [True, True]])
    np.testing.assert_array_equal(mask["b"]["kernel"], [[True, False], [False, False]])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(hnp.array_shapes(max_dims=4, max_side=6), min_size=1, max_size=3),
    sparsities,
    st.booleans(),
    st.integers(0, 2**16),
)
def test_exactly_k_survive_for_any_shape_and_sparsity(sizes, sparsity, ties, seed):
    params = network(*sizes, seed=seed, ties=ties)
    counts = [int(np.prod(size)) for size in sizes]
    expected = survivors(sum(counts), sparsity)
    assert sum(kept(draw_omp(params, sparsity, say=ignore)).values()) == expected
    uniform = kept(draw_omp(params, sparsity, scope="uniform", say=ignore))
    assert list(uniform.values()) == [survivors(count, sparsity) for count in counts]


@settings(max_examples=40, deadline=None)
@given(st.tuples(sparsities, sparsities), st.sampled_from(["global", "uniform"]), st.booleans())
def test_sparser_masks_lie_inside_denser_ones(pair, scope, ties):
    params = network((3, 3, 2, 4), (7, 5), ties=ties)
    denser, sparser = (draw_omp(params, s, scope=scope, say=ignore) for s in sorted(pair))
    for outer, inner in zip(jax.tree.leaves(denser), jax.tree.leaves(sparser), strict=True):
        assert (inner <= outer).all()


@settings(max_examples=30, deadline=None)
@given(sparsities, st.integers(0, 2**16))
def test_no_pruned_weight_is_larger_than_a_survivor(sparsity, seed):
    params = network((4, 6), (5, 5), seed=seed)
    mask = draw_omp(params, sparsity)
    kernels = [np.abs(layer["kernel"]) for layer in params.values()]
    keeps = [layer["kernel"] for layer in mask.values()]
    alive = np.concatenate([k[m] for k, m in zip(kernels, keeps, strict=True)])
    dead = np.concatenate([k[~m] for k, m in zip(kernels, keeps, strict=True)])
    assert alive.min() >= dead.max(initial=0)


def test_bfloat16_weights_draw_the_mask_of_their_values():
    params = network((6, 6))
    rounded = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), params)
    widened = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), rounded)
    expected = draw_omp(widened, 0.7)["layer0"]["kernel"]
    np.testing.assert_array_equal(draw_omp(rounded, 0.7)["layer0"]["kernel"], expected)


def test_excluded_layers_stay_dense():
    params = network((10,), (10,))
    mask = draw_omp(params, 0.9, exclude="layer0/.*")
    assert kept(mask) == {"layer1/kernel": 1}
    assert mask["layer0"]["kernel"].shape == ()


@pytest.mark.parametrize("option", ["pattern", "scope", "criterion"])
def test_an_unknown_option_is_named(option):
    with pytest.raises(InputError, match=f"{option}='rowz' .*choose"):
        draw_omp(network((4,)), 0.5, **{option: "rowz"})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_named(bad):
    params = network((4,), (4,))
    params["layer1"]["kernel"][2] = bad
    with pytest.raises(InputError, match=r"layer1/kernel .*finite"):
        draw_omp(params, 0.5)


def test_a_broken_leaf_that_is_not_prunable_does_not_matter():
    params = network((4,))
    params["layer0"]["bias"][0] = np.nan
    assert kept(draw_omp(params, 0.5)) == {"layer0/kernel": 2}


@pytest.mark.parametrize("sparsity", [-0.5, 1.0])
@pytest.mark.parametrize("scope", ["global", "uniform"])
def test_a_bad_sparsity_is_refused_in_every_scope(scope, sparsity):
    with pytest.raises(InputError, match=f"sparsity={sparsity}"):
        draw_omp(network((4,)), sparsity, scope=scope)


def test_an_expression_that_matches_nothing_is_refused():
    with pytest.raises(InputError, match="prunable='weights'"):
        draw_omp(network((4,)), 0.5, prunable="weights")


def test_draw_omp_is_public():
    assert rtickets.draw_omp is draw_omp


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sparsity": "0.5"}, "sparsity='0.5'"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_numbers_that_are_none_are_named(change, named):
    params = {"body": {"kernel": np.ones((4, 4), np.float32)}}
    options = {"sparsity": 0.5, "criterion": "random"} | change
    with pytest.raises(InputError, match=named):
        draw_omp(params, **options)


@pytest.mark.parametrize("name", [name for name in CRITERIA if name not in get_args(Criterion)])
def test_a_criterion_of_configurations_says_how_it_is_had_here(name):
    with pytest.raises(InputError, match=rf"scores=rtickets\.criteria\.{name}\("):
        rtickets.draw_omp({"a": {"kernel": np.ones((2, 2))}}, 0.5, criterion=name)
    assert callable(getattr(rtickets.criteria, name))
