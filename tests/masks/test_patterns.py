import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.masks.patterns import (
    Pattern,
    expand,
    group_scores,
    group_sizes,
    keep_n_of_m,
    parse_pattern,
)

GROUPED = ["element", "row", "kernel", "channel", "block:2x2", "block:3x4"]
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("element", Pattern("element")),
        ("row", Pattern("row")),
        ("block:4x16", Pattern("block", (4, 16))),
        ("2:4", Pattern("n:m", (2, 4))),
    ],
)
def test_patterns_are_parsed(text, expected):
    assert parse_pattern(text) == expected


@pytest.mark.parametrize("text", ["rows", "block", "block:0x2", "block:2", "4:4", "5:4", "0:4", ""])
def test_a_bad_pattern_is_named(text):
    with pytest.raises(InputError, match=f"pattern='{text}'"):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "shape", "block"),
    [
        ("element", (3, 3, 8, 16), (1, 1, 1, 1)),
        ("row", (3, 5, 8, 16), (1, 5, 1, 1)),
        ("kernel", (3, 5, 8, 16), (3, 5, 1, 1)),
        ("channel", (3, 5, 8, 16), (3, 5, 8, 1)),
        ("block:2x4", (3, 3, 8, 16), (1, 1, 2, 4)),
        ("row", (7, 8, 16), (7, 1, 1)),
        ("kernel", (2, 3, 4, 8, 16), (2, 3, 4, 1, 1)),
        ("row", (8, 16), (1, 1)),
        ("kernel", (8, 16), (1, 1)),
        ("channel", (8, 16), (8, 1)),
        ("block:2x4", (8, 16), (2, 4)),
        ("channel", (16,), (1,)),
        ("block:2x4", (16,), (1,)),
    ],
)
def test_what_a_group_is(text, shape, block):
    assert parse_pattern(text).block(shape) == block


def test_group_scores_literally():
    # One 2x2 kernel per pair of input (0, 1) and output (0): HWIO.
    weights = np.array([[1.0, 2], [3, 4]]).reshape(2, 2, 1, 1)
    weights = np.concatenate([weights, 10 * weights], axis=2)  # (2, 2, 2, 1)
    row = group_scores(weights, parse_pattern("row"))
    np.testing.assert_allclose(row[:, 0, :, 0], [[1.5, 15], [3.5, 35]])
    kernel = group_scores(weights, parse_pattern("kernel"))
    np.testing.assert_allclose(kernel.ravel(), [2.5, 25])
    channel = group_scores(weights, parse_pattern("channel"))
    np.testing.assert_allclose(channel.ravel(), [13.75])
    squares = group_scores(weights, parse_pattern("kernel"), "l2")
    np.testing.assert_allclose(squares.ravel(), [np.sqrt(7.5), 10 * np.sqrt(7.5)], rtol=1e-6)


def test_blocks_are_smaller_at_the_edges():
    pattern = parse_pattern("block:2x2")
    weights = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(group_sizes((3, 3), pattern), [[4, 2], [2, 1]])
    np.testing.assert_allclose(group_scores(weights, pattern), [[2, 3.5], [6.5, 8]])
    keep = expand(np.array([[True, False], [False, True]]), (3, 3), pattern)
    np.testing.assert_array_equal(keep, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


@given(shapes, st.sampled_from(GROUPED), st.integers(0, 2**16))
def test_groups_tile_the_kernel(shape, text, seed):
    pattern = parse_pattern(text)
    sizes = group_sizes(shape, pattern)
    assert sizes.sum() == np.prod(shape)
    scores = np.random.default_rng(seed).random(shape)
    grouped = group_scores(scores, pattern)
    assert grouped.shape == sizes.shape
    np.testing.assert_allclose((grouped * sizes).sum(), scores.sum(), rtol=1e-5)
    keep = np.random.default_rng(seed).random(sizes.shape) < 0.5
    mask = expand(keep, shape, pattern)
    assert mask.shape == shape
    assert mask.sum() == sizes[keep].sum()


@given(shapes, st.sampled_from(GROUPED), st.data())
def test_expanding_one_group_marks_that_group_alone(shape, text, data):
    pattern = parse_pattern(text)
    sizes = group_sizes(shape, pattern)
    index = data.draw(st.integers(0, sizes.size - 1))
    keep = np.zeros(sizes.shape, bool)
    keep.ravel()[index] = True
    mask = expand(keep, shape, pattern)
    chosen = group_scores(mask.astype(float), pattern)
    np.testing.assert_allclose(chosen, keep.astype(float))


def test_n_of_m_literally():
    scores = np.array([[4.0, 1], [3, 1], [2, 5], [1, 1], [0, 0], [9, 0], [0, 0], [9, 0]])
    keep = keep_n_of_m(scores, 2, 4)
    expected = [[1, 1], [1, 0], [0, 1], [0, 0], [0, 1], [1, 1], [0, 0], [1, 0]]
    np.testing.assert_array_equal(keep, expected)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_every_run_of_m_keeps_n(n, runs, outputs, seed):
    scores = np.random.default_rng(seed).integers(0, 3, (2, 4 * runs, outputs)).astype(float)
    keep = keep_n_of_m(scores, n, 4)
    per_run = keep.reshape(2, runs, 4, outputs).sum(2)
    assert (per_run == n).all()
