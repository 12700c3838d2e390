"""Drawing by scores, at once and in rounds, and its configuration."""

import itertools
from typing import get_args

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import criteria, masks
from rtickets.config import DrawConfig
from rtickets.draw import draw_omp, draw_scheduled, sparsity_schedule, survivors
from rtickets.draw.omp import Scope
from rtickets.errors import InputError
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern
from rtickets.settings import config_files

GROUPED = ["element", "row", "kernel", "channel", "block:4x4"]
NAMES = ["conv1", "conv2", "conv3"]


def network(seed=0):
    generator = np.random.default_rng(seed)
    shapes = [(3, 3, 8, 16), (1, 1, 16, 8), (1, 3, 4, 6)]
    kernels = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    params = {name: {"kernel": kernel} for name, kernel in zip(NAMES, kernels, strict=True)}
    return {**params, "head": {"kernel": np.ones((8, 3), np.float32)}}


def kernels(mask):
    return {name: mask[name]["kernel"] for name in NAMES}


def signed(params, _=None, seed=0):
    """Scores of both signs, 0 where a weight is 0, as weight times gradient gives them."""
    weights = criteria.prunable_leaves(params)
    noise = criteria.random({path: leaf.shape for path, leaf in weights.items()}, seed)
    return {path: np.asarray(leaf) * (noise[path] - 0.5) for path, leaf in weights.items()}


def test_scores_by_path_and_as_a_pytree_draw_the_largest():
    params = {"a": {"kernel": np.ones((1, 3), np.float32)}, "b": {"kernel": np.ones(2, np.float32)}}
    tree = {"a": {"kernel": np.array([[-1, 2, 0.5]])}, "b": {"kernel": np.array([0, -3])}}
    by_path = {"b/kernel": tree["b"]["kernel"], "a/kernel": tree["a"]["kernel"], "c": None}
    for scores in (tree, by_path):
        mask = draw_omp(params, 0.4, scores=scores)
        np.testing.assert_array_equal(mask["a"]["kernel"], [[False, True, True]])
        np.testing.assert_array_equal(mask["b"]["kernel"], [True, False])


@pytest.mark.parametrize("pattern", [*GROUPED, "2:4"])
@pytest.mark.parametrize("scope", get_args(Scope))
def test_magnitudes_given_as_scores_draw_the_ticket_of_magnitude(pattern, scope):
    params, options = network(), {"pattern": pattern, "scope": scope}
    scores = criteria.magnitude(criteria.prunable_leaves(params))
    drawn = draw_omp(params, 0.5, scores=scores, **options)
    expected = draw_omp(params, 0.5, **options)
    jax.tree.map(np.testing.assert_array_equal, drawn, expected)


def test_the_score_of_a_group_keeps_its_sign():
    params = {"a": {"kernel": np.ones((2, 3), np.float32)}}
    scores = {"a/kernel": np.array([[-9, 1, 1], [8, 1, -1]])}  # means -0.5, 1, 0
    mask = draw_omp(params, 0.4, pattern="channel", scores=scores)
    np.testing.assert_array_equal(mask["a"]["kernel"], [[0, 1, 1], [0, 1, 1]])


@pytest.mark.parametrize("pattern", ["element", "channel", "2:4"])
def test_the_dead_stay_dead_though_the_living_have_negative_scores(pattern):
    params = {"a": {"kernel": np.ones((4, 4), np.float32)}}
    start = masks.full(params)
    start["a"]["kernel"] = np.tile([[True, False]], (4, 2))
    if pattern == "2:4":
        start["a"]["kernel"] = start["a"]["kernel"].T
    scores = {"a/kernel": -1.0 * start["a"]["kernel"]}
    mask = draw_omp(params, 0.5, pattern=pattern, scores=scores, start=start)
    np.testing.assert_array_equal(mask["a"]["kernel"], start["a"]["kernel"])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"conv1/kernel": np.ones(3)}, {}, r"conv1/kernel .*\(3,\)"),
        ({"conv2/kernel": np.nan}, {}, "conv2/kernel .*finite"),
        ({"conv2/kernel": -np.inf}, {}, "conv2/kernel .*finite"),
        ({}, {"criterion": "random"}, "criterion='random' and scores"),
        ({}, {"prunable": ".*kernel"}, "scores lack head/kernel"),
        ({}, {"group_norm": "l2"}, "group_norm='l2' squares scores"),
    ],
)
def test_bad_scores_are_named(change, options, message):
    params = network()
    scores = signed(params)
    for path, value in change.items():
        scores[path] = value if np.ndim(value) else np.full_like(scores[path], value)
    with pytest.raises(InputError, match=message):
        draw_omp(params, 0.5, scores=scores, **options)


@pytest.mark.parametrize(
    ("sparsity", "rounds", "schedule", "start", "expected"),
    [
        (0.9, 1, "exponential", 0.0, [0.9]),
        (0.75, 2, "exponential", 0.0, [0.5, 0.75]),
        (0.488, 3, "exponential", 0.0, [0.2, 0.36, 0.488]),
        (0.875, 2, "exponential", 0.5, [0.75, 0.875]),
        (0.9, 3, "linear", 0.0, [0.3, 0.6, 0.9]),
        (0.9, 2, "linear", 0.5, [0.7, 0.9]),
        (0.5, 2, "linear", 0.9, [0.5, 0.5]),
        (0.5, 2, "exponential", 0.9, [0.5, 0.5]),
    ],
)
def test_schedules_literally(sparsity, rounds, schedule, start, expected):
    found = sparsity_schedule(sparsity, rounds, schedule, start)
    assert found == pytest.approx(expected)
    assert found[-1] == sparsity


@pytest.mark.parametrize("pattern", GROUPED)
@pytest.mark.parametrize("scope", get_args(Scope))
@settings(max_examples=15, deadline=None)
@given(
    st.floats(0, 0.99),
    st.integers(1, 25),
    st.sampled_from(["exponential", "linear"]),
    st.integers(0, 99),
)
def test_rounds_are_nested_and_end_exactly(pattern, scope, sparsity, rounds, schedule, seed):
    params, seen = network(seed), []

    def score_fn(alive, _):
        seen.append({name: np.asarray(leaf) != 0 for name, leaf in kernels(alive).items()})
        return signed(alive, seed=len(seen))

    mask = draw_scheduled(
        params, sparsity, score_fn, rounds, schedule, pattern=pattern, scope=scope
    )
    assert len(seen) == rounds
    for outer, inner in itertools.pairwise([*seen, kernels(mask)]):
        assert all((inner[name] <= outer[name]).all() for name in NAMES)
    parsed = parse_pattern(pattern)
    groups = {
        name: group_scores(keep.astype(np.float32), parsed) for name, keep in kernels(mask).items()
    }
    assert set(np.concatenate([np.unique(group) for group in groups.values()])) <= {0, 1}
    if scope == "uniform":
        for group in groups.values():
            assert int(group.sum()) == survivors(group.size, sparsity)
    elif pattern == "element":
        counts = masks.summary(mask, params).prunable
        assert counts.survivors == survivors(counts.total, sparsity)
    elif scope == "global":
        sizes = [group_sizes(keep.shape, parsed) for keep in kernels(mask).values()]
        total, largest = sum(size.sum() for size in sizes), max(size.max() for size in sizes)
        counts = masks.summary(mask, params).prunable
        budget = survivors(total, sparsity)
        assert counts.survivors <= max(budget, largest)
        assert sparsity > 0.9 or counts.survivors > budget - 3 * largest
    else:
        direct = draw_omp(params, sparsity, pattern, scope)
        assert sum(group.sum() for group in groups.values()) == sum(
            group_scores(keep.astype(np.float32), parsed).sum() for keep in kernels(direct).values()
        )


@pytest.mark.parametrize(
    ("shapes", "options", "survivors_expected"),
    [
        ([(3, 5), (7, 4), (6, 9), (5, 11), (8, 8)], {"scope": "erk"}, 22),
        ([(1, 1, 2, 30), (3, 3, 8, 4)], {"pattern": "channel"}, 28),
    ],
)
def test_many_rounds_never_ask_for_the_dead(shapes, options, survivors_expected):
    generator = np.random.default_rng(0)
    params = {
        f"layer{number}": {"kernel": generator.standard_normal(shape).astype(np.float32)}
        for number, shape in enumerate(shapes)
    }
    mask = draw_scheduled(params, 0.9, signed, 40, **options)
    assert masks.summary(mask, params).prunable.survivors == survivors_expected


@pytest.mark.parametrize("scope", get_args(Scope))
def test_rounds_go_on_from_a_ticket(scope):
    params = network()
    start = draw_omp(params, 0.5, scope=scope)
    reached = []

    def score_fn(alive, _):
        weights = np.concatenate([np.ravel(kernel) for kernel in kernels(alive).values()])
        reached.append(np.mean(weights == 0))
        return signed(alive)

    mask = draw_scheduled(params, 0.95, score_fn, 4, scope=scope, start=start)
    assert all((kernels(mask)[name] <= kernels(start)[name]).all() for name in NAMES)
    assert reached == pytest.approx([0.5, *sparsity_schedule(0.95, 4, start=0.5)[:-1]], abs=0.01)
    with pytest.raises(InputError, match="more of conv"):
        draw_scheduled(params, 0.2, score_fn, 4, scope=scope, start=start)


def test_n_of_m_is_drawn_in_one_round():
    params = network()
    mask = draw_scheduled(params, 0.5, signed, 1, pattern="2:4")
    assert (mask["conv1"]["kernel"].reshape(3, 3, 2, 4, 16).sum(3) == 2).all()
    with pytest.raises(InputError, match=r"pattern='2:4' .*rounds=2"):
        draw_scheduled(params, 0.5, signed, 2, pattern="2:4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"rounds": 2, "schedule": "cosine"}, "schedule='cosine' .*exp"),
        ({"rounds": 2, "scope": "local"}, "scope='local'"),
    ],
)
def test_bad_rounds_are_named(options, message):
    with pytest.raises(InputError, match=message):
        draw_scheduled(network(), 0.5, signed, **options)


def test_flow_in_rounds_keeps_layers_connected_that_one_shot_cuts():
    """The layer in the middle has the most weights, so each of them carries the least flow."""
    generator = np.random.default_rng(0)
    sizes = [(4, 60), (60, 60), (60, 4)]
    params = {
        f"layer{number}": {"kernel": generator.standard_normal(size).astype(np.float32)}
        for number, size in enumerate(sizes)
    }

    def logits_fn(params, x):
        for layer in params.values():
            x = x @ layer["kernel"]
        return x

    def score_fn(params, mask):
        return criteria.synflow(logits_fn, params, (4,), mask=mask)

    at_once = draw_scheduled(params, 0.97, score_fn, 1)
    in_rounds = draw_scheduled(params, 0.97, score_fn, 50)
    assert not at_once["layer1"]["kernel"].any()
    flow = score_fn(params, in_rounds)
    for name in params:
        assert in_rounds[name]["kernel"].any()
        assert flow[f"{name}/kernel"].sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attack": {}}, "criterion='magnitude' .*attack"),
        ({"rounds": 2, "examples": 8}, "examples, rounds"),
        ({"criterion": "random", "batch_size": 8}, "criterion='random' .*batch_size"),
        ({"criterion": "synflow", "data": {}}, "criterion='synflow' .*data"),
        ({"criterion": "snip", "rounds": 0}, "rounds=0"),
        ({"criterion": "snip", "attack": {"name": "square"}}, "'square' .*training"),
        ({"criterion": "snip", "attack": {"restarts": 2}}, "without restarts"),
        ({"criterion": "snip", "rounds": 2, "pattern": "2:4"}, "'2:4' .*one round"),
        ({"criterion": "grasp", "group_norm": "l2"}, "group_norm must be 'l1'"),
        ({"criterion": "snipe"}, "criterion='snipe'"),
    ],
)
def test_bad_configurations_are_named(values, message):
    with pytest.raises(InputError, match=message):
        config_files.parse(DrawConfig, values)


@pytest.mark.parametrize(
    ("values", "rounds"),
    [
        ({}, 1),
        ({"criterion": "snip"}, 1),
        ({"criterion": "snip", "rounds": 5}, 5),
        ({"criterion": "synflow"}, 100),
        ({"criterion": "synflow", "rounds": 3}, 3),
        ({"criterion": "synflow", "pattern": "2:4"}, 1),
        ({"criterion": "synflow", "pattern": "block:2x4"}, 100),
    ],
)
def test_the_number_of_rounds(values, rounds):
    assert config_files.parse(DrawConfig, values).num_rounds == rounds
