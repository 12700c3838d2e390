"""Scores that do not tell which weights matter: what is refused, and what is said of the rest."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtickets import masks
from rtickets.draw import draw_omp, draw_scheduled
from rtickets.errors import DrawWarning, InputError
from rtickets.masks.patterns import group_scores, parse_pattern


def network(**kernels):
    return {name: {"kernel": np.asarray(kernel)} for name, kernel in kernels.items()}


def told(params, sparsity, **options):
    """Draw a mask and return it with what was said."""
    lines = []
    return draw_omp(params, sparsity, say=lines.append, **options), lines


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1e-45])
@pytest.mark.parametrize("scope", ["global", "uniform", "erk"])
@pytest.mark.parametrize("pattern", ["element", "channel", "2:4"])
def test_nothing_is_drawn_from_scores_that_are_all_alike(value, scope, pattern):
    params = network(a=np.ones((4, 8)), b=np.ones((8, 4)))
    scores = {"a/kernel": np.full((4, 8), value), "b/kernel": np.full((8, 4), value)}
    options = {"scope": scope, "pattern": pattern, "scores": scores}
    with pytest.raises(InputError, match=r"alike.* a/kernel.*criterion='random'"):
        draw_omp(params, 0.5, **options)
    if pattern == "element":
        assert masks.sparsity(draw_omp(params, 0.0, **options)) == 0  # nothing had to be chosen


def test_living_scores_that_are_all_alike_are_refused_whatever_the_dead_score():
    params = network(a=np.arange(8.0).reshape(2, 4))
    start = {"a": {"kernel": np.arange(8).reshape(2, 4) > 3}}
    scores = {"a/kernel": np.where(start["a"]["kernel"], 1, np.arange(8).reshape(2, 4))}
    with pytest.raises(InputError, match="4 living"):
        draw_omp(params, 0.75, scores=scores, start=start)


def test_scores_of_dead_weights_are_not_read():
    params = network(a=np.array([[1.0, 2], [np.nan, np.inf]]), b=np.array([[9.0, -9], [3, 4]]))
    start = {"a": {"kernel": np.array([[True, True], [False, False]])},
             "b": {"kernel": np.array([[False, True], [True, True]])}}  # fmt: skip
    mask, lines = told(params, 0.5, start=start)
    np.testing.assert_array_equal(mask["a"]["kernel"], [[False, True], [False, False]])
    np.testing.assert_array_equal(mask["b"]["kernel"], start["b"]["kernel"])
    assert not lines


def test_minus_zero_is_told_as_zero():
    params = network(a=np.ones((2, 4)), b=np.ones((2, 4)))
    tied = np.array([[3, 2, -0.0, 0.0], [-0.0, 0.0, -1, -2]])
    _, lines = told(params, 0.5, scores={"a/kernel": np.full((2, 4), -0.0), "b/kernel": tied})
    assert " score 0: " in lines[0]
    assert "for 12 score 0 alike" in lines[1]


def test_a_layer_of_zeros_is_named_with_its_counts():
    generator = np.random.default_rng(0)
    params = network(alive=generator.standard_normal((8, 8)), zero=np.zeros((4, 8)))
    _, (line,) = told(params, 0.5)
    assert line.startswith("all 32 living weights of zero/kernel score 0: 0 of them live")
    assert "the layer is dead" in line
    _, (line,) = told(params, 0.5, scope="uniform")
    assert line.startswith("all 32 living weights of zero/kernel score 0: 16 of them live")
    _, (line,) = told(params, 0.5, scope="uniform", pattern="channel")
    assert line.startswith("all 8 living groups of zero/kernel score 0: 4 of them live")
    assert not told(params, 1 / 3, criterion="random")[1]
    assert not told(params, 0.0)[1]


def test_a_threshold_among_ties_is_named_with_its_counts():
    params = network(a=np.arange(1, 101.0).reshape(10, 10))
    params["a"]["kernel"][5] = 0
    params["a"]["kernel"][6] = 0
    mask, (line,) = told(params, 0.1)
    assert "10 of 90 surviving weights of all layers live by their index alone" in line
    assert "20 score 0 alike" in line
    assert mask["a"]["kernel"][5].all()
    _, (line,) = told(params, 0.1, scope="uniform")
    assert "surviving weights of a/kernel" in line


def test_few_ties_are_an_everyday_thing():
    values = np.arange(1000.0).reshape(10, 100)
    values.flat[501] = values.flat[500]
    mask, lines = told(network(a=values), 0.501)
    assert not lines
    assert int(mask["a"]["kernel"].sum()) == 499


def test_ties_of_n_of_m_are_counted_over_all_runs():
    kernel = np.tile([[3.0], [1.0], [1.0], [0.0]], (2, 5))
    kernel[:4, 0] = [4, 3, 2, 1]
    _, (line,) = told(network(a=kernel), 0.5, pattern="2:4")
    assert "9 of 20 surviving weights of a/kernel live by their index alone" in line
    assert "18 score 1 alike" in line


def test_by_default_it_is_a_warning():
    params = network(alive=np.arange(1.0, 17).reshape(4, 4), zero=np.zeros((4, 4)))
    with pytest.warns(DrawWarning, match="16 .*zero/kernel"):
        draw_omp(params, 0.5)
    scores = masks.leaf_paths(params)
    with pytest.warns(DrawWarning, match="16 .*zero/kernel"):
        draw_scheduled(params, 0.5, lambda *_: scores, 1)


def test_rounds_tell_what_the_last_one_tells_and_the_first_line_of_those_before():
    params = network(a=np.arange(1, 65.0).reshape(8, 8))
    alike = {"a/kernel": np.ones((8, 8)) + (np.arange(64) == 63).reshape(8, 8)}
    lines, rounds = [], iter([alike, alike, {"a/kernel": params["a"]["kernel"]}])
    draw_scheduled(params, 0.5, lambda *_: next(rounds), 3, "linear", say=lines.append)
    (line,) = lines
    assert line.startswith("in round 1 of 3: 52 of 53 surviving weights")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_scores_are_counted(bad):
    params = network(a=np.ones((4, 4)))
    params["a"]["kernel"][1, :3] = bad
    with pytest.raises(InputError, match=r"3 of 16 .*a/kernel .*finite"):
        draw_omp(params, 0.5)


# what ranks weights

DTYPES = [np.float16, jnp.bfloat16, np.float32, np.float64, np.int8, np.int32, np.complex64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_of_every_dtype_are_ranked_by_their_modulus(dtype):
    values = np.array([[-128, 3], [-5, 100]])
    kernel = np.asarray(jnp.asarray(values)).astype(dtype)
    if dtype == np.complex64:
        kernel = kernel * 1j
    mask = draw_omp(network(a=kernel), 0.5)["a"]["kernel"]
    np.testing.assert_array_equal(mask, [[True, False], [False, True]])


def test_complex_weights_are_not_ranked_by_their_real_parts():
    kernel = np.array([3 + 0j, 1 + 5j, -4 + 0j, 0 + 1j])
    for pattern, expected in (("element", [0, 1, 1, 0]), ("channel", [0, 1, 1, 0])):
        for dtype in (np.complex64, np.complex128):
            params = network(a=kernel.astype(dtype).reshape(1, 4))
            mask = draw_omp(params, 0.5, pattern=pattern)["a"]["kernel"]
            np.testing.assert_array_equal(mask[0], np.array(expected, bool))


def test_numbers_that_float32_rounds_to_one_are_told_apart():
    close = 1 + 1e-12 * np.arange(8.0).reshape(2, 4)
    for dtype, values in ((np.float64, close), (np.int64, 2**26 + np.arange(8).reshape(2, 4)),
                          (np.float64, close * 1e-60), (np.float64, close * 1e60),
                          (np.float64, 5e-324 * np.arange(8).reshape(2, 4))):  # fmt: skip
        params = network(a=values.astype(dtype))
        expected = np.arange(8).reshape(2, 4) > 3
        for options in ({}, {"scores": {"a/kernel": values}}):
            mask, lines = told(params, 0.5, **options)
            np.testing.assert_array_equal(mask["a"]["kernel"], expected)
            assert not lines


def test_denormal_weights_are_told_apart():
    tiny = (np.arange(16, dtype=np.uint32) + 1).view(np.float32).reshape(4, 4)
    for weights in (tiny, jnp.asarray(tiny)):
        mask, lines = told(network(a=weights), 0.5)
        np.testing.assert_array_equal(mask["a"]["kernel"], np.arange(16).reshape(4, 4) > 7)
        assert not lines


def test_bfloat16_weights_that_tie_are_told():
    values = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    assert not told(network(a=values), 0.9)[1]
    rounded = network(a=jnp.asarray(values, jnp.bfloat16))
    lines = [told(rounded, s)[1] for s in (0.9, 0.91, 0.92, 0.93, 0.94)]
    assert any("score" in line for found in lines for line in found)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("scale", [1e-200, 1e-45, 1.0, 3e38, 1e306])
def test_sums_of_scores_neither_overflow_nor_vanish(norm, scale):
    scores = scale * np.array([[1.0, 2, 3, 4], [1, 2, 3, 5]])
    found = group_scores(scores, parse_pattern("channel"), norm)
    ratios = scores / scale
    expected = ratios.mean(0) if norm == "l1" else np.sqrt((ratios**2).mean(0))
    np.testing.assert_allclose(found[0], scale * expected, rtol=1e-5)
    mask, lines = told(network(a=np.ones((2, 4))), 0.5, pattern="channel", group_norm=norm,
                       scores={"a/kernel": scores})  # fmt: skip
    np.testing.assert_array_equal(mask["a"]["kernel"][0], [False, False, True, True])
    assert not lines


@pytest.mark.parametrize(
    "values", [np.ones((2, 2), complex), np.ones((2, 2), bool), [["a", "b"]] * 2]
)
def test_scores_without_an_order_are_named(values):
    with pytest.raises(InputError, match=r"a/kernel .*(complex128|bool|<U1)"):
        draw_omp(network(a=np.ones((2, 2))), 0.5, scores={"a/kernel": np.asarray(values)})


def test_weights_without_an_order_are_named():
    with pytest.raises(InputError, match="a/kernel is bool"):
        draw_omp(network(a=np.ones((2, 2), bool)), 0.5)


few = hnp.arrays(np.float32, (4, 6), elements=st.sampled_from([0, 1, 2]))


@settings(max_examples=60, deadline=None)
@given(few, few, st.floats(0, 0.95), st.sampled_from(["global", "uniform"]))
def test_what_is_counted_is_what_another_order_of_the_weights_would_change(a, b, sparsity, scope):
    """Survivors above the threshold live in every order; what is left of them was the index's."""
    params = network(a=a, b=b)
    try:
        mask, lines = told(params, sparsity, scope=scope)
    except InputError:
        alike = [len(np.unique(values)) == 1 for values in (a, b)]
        assert all(alike) or (scope == "uniform" and any(alike)) or len(np.unique([a, b])) == 1
        return
    reverse = network(**{n: leaf["kernel"][::-1, ::-1] for n, leaf in reversed(params.items())})
    other, _ = told(reverse, sparsity, scope=scope)
    keeps = [mask[name]["kernel"] for name in "ab"]
    others = [other[name]["kernel"][::-1, ::-1] for name in "ab"]
    changed = sum(int((k & ~o).sum()) for k, o in zip(keeps, others, strict=True))
    if changed:
        assert lines
