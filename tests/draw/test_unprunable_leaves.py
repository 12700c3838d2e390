"""Scalar and empty leaves are left out of a draw, counted as what they are, saved and loaded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtickets
from rtickets import criteria, masks
from rtickets.draw.controls import control_mask
from rtickets.draw.scheduled import draw_scheduled
from rtickets.errors import InputError
from rtickets.masks import gates
from rtickets.tickets.inspect import describe, layers, verify

PARAMS = {
    "a": {"kernel": np.arange(1, 17, dtype=np.float32).reshape(4, 4)},
    "b": {"kernel": np.arange(17, 25, dtype=np.float32).reshape(4, 2)},
    "empty": {"kernel": np.zeros((3, 0), np.float32)},
    "none": {"kernel": np.zeros(0, np.float32)},
    "scalar": {"kernel": np.full((), 1e-6, np.float32)},
}
PRUNABLE = {"a/kernel", "b/kernel"}
DRAWS = [
    *({"scope": scope} for scope in ("global", "uniform", "erk")),
    *({"pattern": pattern} for pattern in ("row", "kernel", "channel", "block:2x2", "2:4")),
    {"criterion": "random"},
    {"group_norm": "l2", "pattern": "channel"},
]


def loss_fn(params, x, y):
    hidden = x @ params["a"]["kernel"] @ params["b"]["kernel"] * params["scalar"]["kernel"]
    return jnp.mean((hidden + params["none"]["kernel"].sum() - y) ** 2)


@pytest.mark.parametrize("options", DRAWS, ids=str)
def test_every_draw_leaves_scalar_and_empty_leaves_alone(options):
    mask = rtickets.draw_omp(PARAMS, 0.5, **options)
    assert set(masks.prunable_leaves(mask)) == PRUNABLE
    assert masks.sparsity(mask) == 0.5
    assert masks.summary(mask, PARAMS).parameters == (13, 25)
    np.testing.assert_array_equal(masks.apply(mask, PARAMS)["scalar"]["kernel"], np.float32(1e-6))


@pytest.mark.parametrize("name", ["scalar", "empty", "none"])
def test_a_draw_of_such_leaves_alone_is_refused(name):
    with pytest.raises(InputError, match=f"cannot .*{name}/kernel"):
        rtickets.draw_omp(PARAMS, 0.5, prunable=f"{name}/kernel")


@pytest.mark.parametrize("score", [criteria.snip, criteria.taylor, criteria.grasp])
def test_scores_leave_them_out(score):
    batches = [(np.ones((2, 4), np.float32), np.ones((2, 2), np.float32))]
    scores = score(loss_fn, PARAMS, batches)
    assert set(scores) == PRUNABLE
    mask = draw_scheduled(
        PARAMS, 0.5, lambda params, mask: score(loss_fn, params, batches, mask=mask), 2
    )
    assert masks.sparsity(mask) == 0.5


@pytest.mark.parametrize("scope", ["uniform", "global"])
@pytest.mark.parametrize("start", ["magnitude", "kaiming"])
def test_learned_masks_leave_them_out(scope, start):
    settings = gates.LearnedMask(0.5, scope=scope, gate=gates.TopScores(start=start))
    scores = gates.initial_scores(settings, PARAMS, jax.random.key(0))
    assert set(scores) == {"a.kernel", "b.kernel"}
    mask = gates.mask_of(settings, PARAMS, scores)
    assert masks.sparsity(mask) == 0.5
    assert set(masks.prunable_leaves(mask)) == PRUNABLE


def test_a_ticket_keeps_them_as_they_are(tmp_path):
    mask = rtickets.draw_omp(PARAMS, 0.75)
    rtickets.Ticket(mask, PARAMS).save(tmp_path / "t")
    loaded = verify(tmp_path / "t")
    assert masks.summary(loaded.mask, loaded.params) == masks.summary(mask, PARAMS)
    assert loaded.params["scalar"]["kernel"] == np.float32(1e-6)
    assert loaded.params["empty"]["kernel"].shape == (3, 0)
    assert {row["path"] for row in describe(loaded)["layers"]} == PRUNABLE


def test_a_mask_of_an_empty_leaf_is_described_without_dividing_by_it(tmp_path):
    mask = {"kernel": np.zeros((2, 3, 0), bool)}
    rtickets.Ticket(mask, {"kernel": np.zeros((2, 3, 0), np.float32)}).save(tmp_path / "t")
    (row,) = layers(verify(tmp_path / "t").mask)
    assert (row["weights"], row["sparsity"], row["zero_kernels"]) == (0, 0, None)


@pytest.mark.parametrize("control", ["random", "shuffled", "complement", "flipped"])
@pytest.mark.parametrize("pattern", ["element", "channel"])
def test_controls_leave_masks_of_empty_leaves_alone(control, pattern):
    mask = {
        "a": {"kernel": np.array([[True, False], [True, False]])},
        **{str(size): {"kernel": np.zeros((size, 0), bool)} for size in range(3)},
        "none": {"kernel": np.zeros(0, bool)},
    }
    found = control_mask(mask, control, 0, pattern=pattern)
    assert masks.sparsity(found) == 0.5
    assert {p: np.shape(m) for p, m in masks.leaf_paths(found).items()} == {
        path: np.shape(keep) for path, keep in masks.leaf_paths(mask).items()
    }


def test_learned_scores_of_one_name_are_refused():
    params = {"a.b": {"kernel": np.ones((2, 2))}, "a": {"b": {"kernel": np.ones((2, 2))}}}
    with pytest.raises(InputError, match=r"a\.b\.kernel"):
        gates.initial_scores(gates.LearnedMask(0.5), params, jax.random.key(0))
