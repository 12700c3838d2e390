import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtickets import draw_omp, masks
from rtickets.errors import InputError
from rtickets.tickets import inspect
from rtickets.tickets.tables import as_text
from rtickets.tickets.ticket import Ticket

CONVOLUTIONS = {3: "wio", 4: "hwio", 5: "dhwio"}


def layer(path, keep):
    keep = np.asarray(keep, bool)
    names = {path: CONVOLUTIONS[keep.ndim]} if keep.ndim in CONVOLUTIONS else None
    (row,) = inspect.layers({path: keep}, layouts=names)
    return row


def ticket_of(keep, weights=None, **meta):
    keep = np.asarray(keep, bool)
    weights = np.ones(keep.shape, np.float32) if weights is None else np.asarray(weights)
    params = {"conv": {"kernel": np.where(keep, weights, 0)}, "bias": np.ones(3, np.float32)}
    return Ticket({"conv": {"kernel": keep}, "bias": np.ones((), bool)}, params, {}, meta)


def conv(kernels, size=(2, 2)):
    """A mask (*size, I, O) whose kernels live at one position where `kernels` (I, O) is 1."""
    keep = np.zeros((*size, *np.shape(kernels)), bool)
    keep[(0,) * len(size)] = kernels
    return keep


# (mask, survivors, share of zero kernels, zero outputs, zero inputs)
LAYERS = {
    "dense": (np.ones((3, 3, 2, 4)), 72, 0.0, 0, 0),
    "empty": (np.zeros((3, 3, 2, 4)), 0, 1.0, 4, 2),
    "one kernel of six left": (conv([[1, 0, 0], [0, 0, 0]]), 1, 5 / 6, 2, 1),
    "an output and an input lost": (conv([[1, 0, 1], [0, 0, 0]]), 2, 4 / 6, 1, 1),
    "diagonal": (conv(np.eye(3)), 3, 6 / 9, 0, 0),
    "a line per kernel": (conv([[1, 0], [1, 1]], (5,)), 3, 0.25, 0, 0),
    "a cube per kernel": (conv([[1, 0], [0, 0]], (2, 2, 2)), 1, 0.75, 1, 1),
    "matrix": ([[1, 0, 0], [1, 1, 0]], 3, None, 1, 0),
    "matrix without an input": ([[1, 1], [0, 0], [0, 1]], 3, None, 0, 1),
    "vector": ([1, 0, 0], 1, None, None, None),
    "no inputs": (np.ones((3, 3, 0, 2)), 0, None, 2, 0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_pruned_whole_is_counted(name):
    keep, survivors, kernels, outputs, inputs = LAYERS[name]
    size = np.size(keep)
    assert layer("a/kernel", keep) == {
        "path": "a/kernel",
        "shape": list(np.shape(keep)),
        "layout": {2: "io", **CONVOLUTIONS}.get(np.ndim(keep)),
        "weights": size,
        "survivors": survivors,
        "sparsity": pytest.approx(1 - survivors / size if size else 0),
        "zero_kernels": kernels if kernels is None else pytest.approx(kernels),
        "zero_outputs": outputs,
        "zero_inputs": inputs,
    }


@settings(max_examples=15, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=5, max_side=3)))
def test_counts_agree_with_a_loop_over_kernels(keep):
    inputs, outputs = keep.shape[-2:]
    kernels = np.array([[keep[..., i, o].any() for o in range(outputs)] for i in range(inputs)])
    row = layer("kernel", keep)
    assert row["zero_kernels"] == pytest.approx((~kernels).sum() / kernels.size)
    assert row["zero_inputs"] == sum(not kernels[i].any() for i in range(inputs))
    assert row["zero_outputs"] == sum(not kernels[:, o].any() for o in range(outputs))


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [("kernel", "zero_kernels", 0.75), ("channel", "zero_outputs", 6)],
)
def test_a_structured_draw_prunes_its_groups_whole(pattern, key, expected):
    weights = np.random.default_rng(0).standard_normal((3, 3, 4, 8)).astype(np.float32)
    mask = draw_omp({"kernel": weights}, 0.75, pattern=pattern)
    (row,) = inspect.layers(mask)
    assert row[key] == expected
    assert row["sparsity"] == 0.75


def test_a_description_has_sparsity_stages_and_prunable_layers_alone():
    history = [
        {"stage": "pretrain", "data": {"source": "blobs", "path": None}, "model": {"arch": "r"},
         "train": {"seed": 3, "batch_size": 8, "objective": {"name": "pgd", "attack": {}}}},
        {"stage": "draw", "method": "omp", "sparsity": 0.5, "pattern": "row", "seed": 0},
        "no stage",
    ]  # fmt: skip
    table = inspect.describe(ticket_of([[1, 0], [0, 1], [0, 0]], history=history))
    assert table == {
        "stages": [
            {
                "stage": "pretrain",
                "config": {
                    "model.arch": "r",
                    "data.source": "blobs",
                    "train.objective.name": "pgd",
                    "train.seed": 3,
                },
            },
            {
                "stage": "draw",
                "config": {"method": "omp", "sparsity": 0.5, "pattern": "row", "seed": 0},
            },
        ],
        "sparsity": [
            {
                "over": "prunable weights",
                "weights": 6,
                "survivors": 2,
                "sparsity": pytest.approx(2 / 3),
            },
            {
                "over": "all parameters",
                "weights": 9,
                "survivors": 5,
                "sparsity": pytest.approx(4 / 9),
            },
        ],
        "layers": [layer("conv/kernel", [[1, 0], [0, 1], [0, 0]])],
    }
    assert json.loads(json.dumps(table)) == table


@pytest.mark.parametrize("meta", [{}, {"history": "lost"}, {"history": None}])
def test_a_ticket_without_a_history_has_no_stages(meta):
    assert inspect.describe(ticket_of([1, 0], **meta))["stages"] == []


def test_a_network_of_stages_is_described(tiny):
    table = inspect.describe(Ticket(tiny.mask, tiny.params, tiny.batch_stats))
    assert table["sparsity"][0]["sparsity"] == pytest.approx(masks.sparsity(tiny.mask))
    assert sum(row["survivors"] for row in table["layers"]) == table["sparsity"][0]["survivors"]


def test_tickets_are_compared_by_layer_and_over_all():
    a = Ticket(
        {"a": np.array([True, True, False, False]), "b": np.array([True, False])},
        {"a": np.array([1, 2, 0, 0], np.float32), "b": np.array([5, 0], np.float32)},
    )
    b = Ticket(
        {"a": np.array([False, True, True, False]), "b": np.array([False, False])},
        {"a": np.array([0, 1.5, 9, 0], np.float32), "b": np.array([0, 0], np.float32)},
    )
    assert inspect.compare(a, b) == {
        "layers": [
            {"path": "a", "survivors_a": 2, "survivors_b": 2, "weights": 4,
             "overlap": pytest.approx(1 / 3), "overlap_by_chance": pytest.approx(1 / 3),
             "largest_difference": 0.5},
            {"path": "b", "survivors_a": 1, "survivors_b": 0, "weights": 2,
             "overlap": 0, "overlap_by_chance": 0, "largest_difference": None},
            {"path": "all", "survivors_a": 3, "survivors_b": 2, "weights": 6,
             "overlap": pytest.approx(1 / 4), "overlap_by_chance": pytest.approx(1 / 4),
             "largest_difference": 0.5},
        ],
        "provenance_differences": [],
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float32, np.float64])
def test_differences_of_weights_are_taken_in_double_precision(dtype):
    a = ticket_of([1, 1, 0], np.array([3e4, 1, 7]).astype(dtype))
    b = ticket_of([1, 1, 1], np.array([-6e4, 1, 7]).astype(dtype))
    expected = float(np.asarray(3e4, dtype)) - float(np.asarray(-6e4, dtype))
    assert inspect.compare(a, b)["layers"][0]["largest_difference"] == expected


def test_a_ticket_is_like_itself():
    ticket = ticket_of([1, 0, 1], history=[{"stage": "draw"}])
    (row, _) = inspect.compare(ticket, ticket)["layers"]
    assert (row["overlap"], row["largest_difference"]) == (1, 0)


def test_fields_that_differ_are_named_by_their_path():
    left = {
        "mean": [0.5, 0.2],
        "history": [{"stage": "pretrain", "train": {"seed": 0, "duration": "1ep"}}],
        "gone": None,
    }
    right = {
        "mean": [0.5, 0.3],
        "history": [
            {"stage": "pretrain", "train": {"seed": 1, "duration": "1ep"}},
            {"stage": "draw", "sparsity": 0.5},
        ],
    }
    found = inspect.compare(ticket_of([1], **left), ticket_of([1], **right))
    assert found["provenance_differences"] == [
        {"field": "mean", "a": [0.5, 0.2], "b": [0.5, 0.3]},
        {"field": "history.0.train.seed", "a": 0, "b": 1},
        {"field": "history.1", "a": None, "b": {"stage": "draw", "sparsity": 0.5}},
    ]


@pytest.mark.parametrize("other", [np.ones((2, 3)), np.ones(6), True])
def test_different_networks_are_refused(other):
    keep = np.asarray(other, bool)
    b = Ticket({"kernel": keep}, {"kernel": np.ones(keep.shape or (2, 3), np.float32)})
    a = Ticket({"kernel": np.ones((3, 2), bool)}, {"kernel": np.ones((3, 2), np.float32)})
    with pytest.raises(InputError, match="different networks"):
        inspect.compare(a, b)


def test_a_ticket_that_was_made_smaller_is_told_from_another_network():
    whole, other = ticket_of(np.ones((1, 1, 2, 3))), ticket_of(np.ones((1, 1, 2, 2)))
    smaller = ticket_of(np.ones((1, 1, 2, 2)), history=[{"stage": "compact"}])
    for pair, named in (((whole, smaller), "the second"), ((smaller, whole), "the first")):
        with pytest.raises(InputError, match=rf"conv/kernel.*rtickets compact.*{named} smaller"):
            inspect.compare(*pair)
    with pytest.raises(InputError, match="different networks"):
        inspect.compare(whole, other)
    assert inspect.compare(smaller, other)["layers"][0]["overlap"] == 1


def test_heads_may_differ():
    a, b = ticket_of([1, 0]), ticket_of([1, 1])
    b.params["bias"] = np.ones(7, np.float32)
    assert inspect.compare(a, b)["layers"][0]["overlap"] == 0.5


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(5, 5, 10)], 2.5 / 7.5),
        ([(10, 10, 10)], 1),
        ([(10, 3, 10)], 0.3),
        ([(0, 3, 10)], 0),
        ([(0, 0, 10)], 1),
        ([(0, 0, 0)], 1),
        ([], 1),
        ([(5, 5, 10), (0, 0, 0)], 2.5 / 7.5),
        ([(5, 5, 10), (20, 20, 20)], 22.5 / 27.5),
    ],
)
def test_overlap_by_chance_in_closed_form(counts, expected):
    assert inspect.chance_overlap(counts) == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(100, 800), st.floats(0.02, 1), st.floats(0.02, 1)),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 1000),
)
def test_overlap_by_chance_is_what_random_masks_have(sizes, seed):
    counts = [(max(1, round(n * a)), max(1, round(n * b)), n) for n, a, b in sizes]
    generator = np.random.default_rng(seed)

    def random_mask(column):
        return {
            str(index): generator.permutation(np.arange(count[2]) < count[column])
            for index, count in enumerate(counts)
        }

    drawn = [masks.overlap(random_mask(0), random_mask(1)) for _ in range(200)]
    for paths, own in [("", counts), *((str(i), [count]) for i, count in enumerate(counts))]:
        found = np.array([overlap[paths] for overlap in drawn])
        few = min(a + b for a, b, _ in own)  # the mean of ratios is not the ratio of means
        tolerance = 5 * found.std() / np.sqrt(200) + 1 / (few + 100)
        assert inspect.chance_overlap(own) == pytest.approx(found.mean(), abs=tolerance)


def test_text_of_a_ticket_that_is_pruned_whole():
    text = as_text(inspect.describe(ticket_of(np.zeros((2, 2, 3, 4)))))
    assert text.splitlines()[-1].split() == [
        *("conv/kernel", "[2,", "2,", "3,", "4]", "hwio", "48", "0", "1", "1", "4", "3"),
    ]


def test_text_of_differences_stays_on_its_lines():
    ticket, other = ticket_of([1], x=[list(range(99))] * 2), ticket_of([1], x={"a": 1, "b": True})
    lines = as_text(inspect.compare(ticket, other)).splitlines()
    assert lines[-1].startswith("x")
    assert lines[-1].endswith("...  a=1 b=True")
    assert len(lines[-1]) < 200
