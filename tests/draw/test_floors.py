"""A floor leaves every layer its least: literal cases, and what ranking the best first would do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks
from rtickets.draw import draw_omp, draw_scheduled
from rtickets.errors import InputError

SMALL = np.array([[1.0, 2.0, 3.0, 4.0]]).T.reshape(2, 2)
LARGE = np.arange(10.0, 26.0).reshape(4, 4)
PARAMS = {"a": {"kernel": SMALL}, "b": {"kernel": LARGE}}


def counts(mask):
    return {path: int(np.sum(leaf)) for path, leaf in masks.leaf_paths(mask).items()}


def draw(floor, sparsity=0.75, params=PARAMS, **options):
    return draw_omp(params, sparsity, floor=floor, say=[].append, **options)


@pytest.mark.parametrize(("floor", "own"), [(0.0, 0), (0.01, 1), (0.25, 1), (0.26, 2), (0.5, 2)])
def test_a_layer_that_loses_all_keeps_its_least_and_the_others_pay_for_it(floor, own):
    # 5 of 20 weights live, all of them in b without a floor
    mask = draw(floor, sparsity=0.75) if floor < 0.26 else draw(floor, sparsity=0.5)
    total = 5 if floor < 0.26 else 10
    assert counts(mask) == {"a/kernel": own, "b/kernel": total - own}
    if own:
        assert mask["a"]["kernel"].reshape(-1)[-own:].all()  # the largest


def test_a_floor_that_all_layers_keep_anyway_changes_nothing():
    params = {"a": {"kernel": LARGE}, "b": {"kernel": LARGE[::-1].copy()}}
    plain, floored = (draw(floor, sparsity=0.5, params=params) for floor in (0.0, 0.2))
    for path, leaf in masks.leaf_paths(plain).items():
        np.testing.assert_array_equal(leaf, masks.leaf_paths(floored)[path])


def protected(layers, lives, sparsity, floor):
    """Return masks by ranking the best of every layer before everything else."""
    scores = {}
    for path, layer in layers.items():
        own = np.where(lives[path], np.abs(layer), -np.inf).reshape(-1)
        best = np.argsort(-own, kind="stable")[: math.ceil(round(floor * lives[path].sum(), 6))]
        own[best] = np.inf
        scores[path] = own
    flat = np.concatenate(list(scores.values()))
    total = flat.size - round(flat.size * sparsity)
    keep = np.zeros(flat.size, bool)
    keep[np.argsort(-flat, kind="stable")[:total]] = True
    ends = np.cumsum([each.size for each in scores.values()])[:-1]
    return dict(zip(scores, np.split(keep, ends), strict=True))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_lives_is_what_does_if_the_best_of_every_layer_come_first(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 999)))
    sizes = data.draw(st.lists(st.integers(2, 30), min_size=1, max_size=5))
    scales = data.draw(st.lists(st.sampled_from([0.01, 1.0, 50.0]), min_size=5, max_size=5))
    layers = {
        f"l{n}/kernel": scale * generator.standard_normal((size, 2)).astype(np.float32)
        for n, (size, scale) in enumerate(zip(sizes, scales, strict=False))
    }
    floor = data.draw(st.sampled_from([0.01, 0.1, 0.3]))
    dead = data.draw(st.sampled_from([0.0, 0.2]))
    lives = {path: generator.random(layer.shape) >= dead for path, layer in layers.items()}
    total = sum(layer.size for layer in layers.values())
    living = sum(int(live.sum()) for live in lives.values())
    least = sum(math.ceil(round(floor * int(live.sum()), 6)) for live in lives.values())
    kept = data.draw(st.integers(min(max(least, 1), living), living)) if living else 1
    if not living or kept < least:
        return
    sparsity = 1 - kept / total
    params = {path.split("/")[0]: {"kernel": layer} for path, layer in layers.items()}
    start = {path.split("/")[0]: {"kernel": live} for path, live in lives.items()}
    found = draw(floor, sparsity, params, start=None if dead == 0 else start)
    for path, mask in protected(layers, lives, sparsity, floor).items():
        np.testing.assert_array_equal(masks.leaf_paths(found)[path].reshape(-1), mask)


@pytest.mark.parametrize("pattern", ["channel", "row", "kernel"])
def test_groups_have_a_floor_too(pattern):
    generator = np.random.default_rng(0)
    params = {
        name: {"kernel": scale * generator.standard_normal((3, 3, 4, 8)).astype(np.float32)}
        for name, scale in (("a", 0.01), ("b", 1.0), ("c", 1.0))
    }
    plain, floored = (draw(floor, 0.5, params, pattern=pattern) for floor in (0.0, 0.25))
    assert counts(plain)["a/kernel"] == 0
    assert counts(floored)["a/kernel"] == params["a"]["kernel"].size // 4
    assert sum(counts(floored).values()) == sum(counts(plain).values())


def test_groups_at_edges_are_counted_by_their_weights():
    generator = np.random.default_rng(0)
    params = {
        name: {"kernel": scale * generator.standard_normal((5, 5)).astype(np.float32)}
        for name, scale in (("a", 0.01), ("b", 1.0))
    }
    mask = draw(0.2, 0.5, params, pattern="block:2x2")
    assert counts(mask)["a/kernel"] > 0
    assert sum(counts(mask).values()) <= 25


def test_random_scores_have_a_floor_too():
    params = {"a": {"kernel": np.ones((2, 1))}, "b": {"kernel": np.ones((40, 5))}}
    for seed in range(20):
        found = counts(draw(0.05, 0.9, params, criterion="random", seed=seed))
        assert found["a/kernel"] >= 1
        assert sum(found.values()) == 20


def test_the_floor_of_rounds_counts_from_before_the_first():
    def least_first(params, mask):
        return {path: np.abs(leaf) for path, leaf in masks.leaf_paths(params).items()}

    mask = draw_scheduled(PARAMS, 0.7, least_first, 4, floor=0.5 / 2, say=[].append)
    assert counts(mask) == {"a/kernel": 1, "b/kernel": 5}
    mask = draw_scheduled(PARAMS, 0.5, least_first, 4, floor=0.5, say=[].append)
    assert counts(mask) == {"a/kernel": 2, "b/kernel": 8}


def test_a_floor_counts_what_lived_before_the_draw():
    start = {"a": {"kernel": np.array([[True, False], [False, True]])}, "b": {"kernel": LARGE > 0}}
    mask = draw(0.5, 0.5, start=start)
    assert counts(mask) == {"a/kernel": 1, "b/kernel": 9}
    assert mask["a"]["kernel"][1, 1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"floor": 0.3, "sparsity": 0.9}, "floor of every layer takes 7.*leaves 2"),
        ({"floor": 1.5}, "floor=1.5"),
        ({"floor": float("nan")}, "floor=nan"),
        ({"floor": 0.1, "scope": "uniform"}, "floor=0.1.*scope='uniform'"),
        ({"floor": 0.1, "scope": "erk"}, "floor=0.1.*scope='erk'"),
        ({"floor": 0.1, "pattern": "2:4", "sparsity": 0.5}, "floor=0.1.*2:4"),
        ({"floor": 0.1, "pattern": "channel_linked"}, "floor=0.1.*channel_linked"),
    ],
)
def test_floors_that_cannot_be_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        draw(**options)
