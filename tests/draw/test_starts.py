"""Drawing from a mask: the exact count that is promised, or a refusal, and nothing ever revives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks
from rtickets.draw import draw_omp, draw_scheduled, survivors
from rtickets.errors import InputError
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern

PATTERNS = ["element", "row", "kernel", "channel", "block:2x3", "block:4x4", "2:4", "1:4"]
SCOPES = ["global", "uniform", "erk"]
SHAPES = {"conv": (3, 3, 4, 6), "dense": (8, 5)}


def network(seed=0, shapes=SHAPES):
    generator = np.random.default_rng(seed)
    return {
        name: {"kernel": generator.standard_normal(shape).astype(np.float32)}
        for name, shape in shapes.items()
    }


def kernels(mask):
    return [layer["kernel"] for layer in mask.values()]


def sparsity_for(pattern, asked):
    return {"2:4": 0.5, "1:4": 0.75}.get(pattern, asked)


def check_promise(params, mask, start, pattern, scope, sparsity):
    for keep, before in zip(kernels(mask), kernels(start), strict=True):
        assert not (keep & ~before).any()
    parsed = parse_pattern(pattern)
    if parsed.name == "n:m":
        n, m = parsed.sizes
        for keep in kernels(mask):
            *space, inputs, outputs = keep.shape
            assert (keep.reshape(*space, inputs // m, m, outputs).sum(-2) == n).all()
        return
    shares = [group_scores(keep.astype(np.float32), parsed) for keep in kernels(mask)]
    assert set(np.concatenate([np.unique(share) for share in shares])) <= {0, 1}
    sizes = [group_sizes(keep.shape, parsed) for keep in kernels(mask)]
    if scope == "uniform":
        for share in shares:
            assert share.sum() == survivors(share.size, sparsity)
    elif len({int(size) for own in sizes for size in own.ravel()}) == 1:
        assert sum(s.sum() for s in shares) == survivors(sum(s.size for s in shares), sparsity)
    elif scope == "global":
        kept = np.flatnonzero(np.concatenate([share.ravel() for share in shares]))
        assert set(kept.tolist()) == best_that_fit(params, start, parsed, sparsity)
    else:
        direct = draw_omp(params, sparsity, pattern, scope)
        expected = sum(group_scores(k.astype(float), parsed).sum() for k in kernels(direct))
        assert sum(share.sum() for share in shares) == expected


def best_that_fit(params, start, pattern, sparsity):
    """Return the numbers of the groups that fit into the budget, one after the other."""

    def flat(of_kernel, tree):
        return np.concatenate([of_kernel(kernel).ravel() for kernel in kernels(tree)])

    sizes = flat(lambda kernel: group_sizes(kernel.shape, pattern), params)
    scores = flat(lambda kernel: group_scores(np.abs(kernel), pattern), params)
    lives = flat(lambda keep: group_scores(keep.astype(float), pattern), start) > 0
    budget, found = survivors(int(sizes.sum()), sparsity), set()
    for number in sorted(np.flatnonzero(lives), key=lambda number: -scores[number]):
        budget -= int(sizes[number])
        if budget < 0:
            return found or {number}
        found.add(number)
    return found


def drawn_or_refused(*arguments, **options):
    """Return a mask and no refusal, or no mask and why."""
    try:
        return draw_omp(*arguments, **options), None
    except InputError as error:
        return None, str(error)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PATTERNS), st.sampled_from(SCOPES), st.floats(0, 0.95),
    st.sampled_from(PATTERNS), st.sampled_from(SCOPES), st.floats(0, 0.95),
    st.integers(0, 99),
)  # fmt: skip
def test_every_start_pattern_and_scope_keeps_the_promise_or_is_refused(
    first, first_scope, first_sparsity, pattern, scope, sparsity, seed
):
    params = network(seed)
    options = {"pattern": first, "scope": first_scope}
    start = draw_omp(params, sparsity_for(first, first_sparsity), **options)
    sparsity = sparsity_for(pattern, sparsity)
    mask, refusal = drawn_or_refused(params, sparsity, pattern, scope, start=start)
    if refusal is None:
        check_promise(params, mask, start, pattern, scope, sparsity)
        return
    assert "start" in refusal
    # whoever asks for more of what the start was drawn by is never refused
    same = (first, first_scope) == (pattern, scope)
    assert not (same and sparsity >= sparsity_for(first, first_sparsity))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATTERNS), st.sampled_from(SCOPES), st.floats(0, 0.95), st.data())
def test_any_start_at_all_keeps_the_promise_or_is_refused(pattern, scope, sparsity, data):
    params, generator = network(), np.random.default_rng(data.draw(st.integers(0, 99)))
    density = data.draw(st.floats(0, 1))
    start = {name: {"kernel": generator.random(shape) < density} for name, shape in SHAPES.items()}
    sparsity = sparsity_for(pattern, sparsity)
    mask, refusal = drawn_or_refused(params, sparsity, pattern, scope, start=start)
    if refusal is None:
        check_promise(params, mask, start, pattern, scope, sparsity)
    else:
        assert "start" in refusal


def test_n_of_m_from_a_start_that_is_sparser_is_refused_with_its_counts():
    params = network()
    start = draw_omp(params, 0.9)
    with pytest.raises(InputError, match=r"pattern='2:4' .*2 of every 4.*fewer .*\d+ pl"):
        draw_omp(params, 0.5, pattern="2:4", start=start)


def test_a_start_of_groups_that_live_in_part_is_refused_with_its_counts():
    params = network()
    start = masks.full(params)
    start["dense"]["kernel"] = start["dense"]["kernel"].copy()
    start["dense"]["kernel"][0, :2] = False
    message = r"2 of 5 groups of dense/kernel are alive in part.*pattern='channel'"
    with pytest.raises(InputError, match=message):
        draw_omp(params, 0.5, pattern="channel", start=start)


def other_start(change):
    start = masks.full(network())
    if change == "another layer":
        return {**start, "more": {"kernel": np.ones((2, 2), bool)}}
    if change == "no such layer":
        return {"other": start["conv"], "dense": start["dense"]}
    if change == "a layer less":
        return {"conv": start["conv"]}
    wrong = {
        "broadcast": np.ones((1, 5), bool),
        "transposed": np.ones((5, 8), bool),
        "integers": np.ones((8, 5), np.uint8),
        "weights": np.ones((8, 5), np.float32),
        "dead": np.zeros((), bool),
    }[change]
    return {**start, "dense": {"kernel": wrong}}


CHANGES = ["another layer", "no such layer", "a layer less", "broadcast", "transposed", "integers",
           "weights", "dead"]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_start_that_is_no_mask_of_the_network_is_refused(change):
    params, start = network(), other_start(change)
    for options in ({}, {"criterion": "random"}, {"pattern": "2:4"}):
        with pytest.raises(InputError, match="start: the mask"):
            draw_omp(params, 0.5, start=start, **options)
    with pytest.raises(InputError, match="start: the mask"):
        draw_scheduled(params, 0.5, lambda *_: params, 2, start=start)


def test_a_scalar_true_is_a_dense_start():
    params = network()
    start = {name: {"kernel": True} for name in params}
    for found, expected in zip(
        kernels(draw_omp(params, 0.5, start=start)), kernels(draw_omp(params, 0.5)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_groups_are_scored_by_their_living_weights():
    """Whether the dead weights of the rest are zero already makes no difference."""
    params = {"a": {"kernel": np.array([[1.0, 2, 3, 4], [8, 7, 6, 5]])}}
    start = {"a": {"kernel": np.array([[True, True, True, True], [False] * 4])}}
    scores = {"a/kernel": params["a"]["kernel"]}
    for given_scores in ({}, {"scores": scores}):
        mask = draw_omp(params, 0.75, pattern="element", start=start, **given_scores)
        np.testing.assert_array_equal(mask["a"]["kernel"], [[0, 0, 1, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_begin_at_the_start(rounds):
    params = network()
    start = draw_omp(params, 0.4)
    mask = draw_scheduled(params, 0.8, lambda params, _: masks.leaf_paths(
        {name: {"kernel": np.abs(layer["kernel"])} for name, layer in params.items()}
    ), rounds, start=start)  # fmt: skip
    expected = draw_omp(params, 0.8)
    for found, keep in zip(kernels(mask), kernels(expected), strict=True):
        np.testing.assert_array_equal(found, keep)
