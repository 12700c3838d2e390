"""The worst case over attacks: a union, whatever the batches, devices and models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import (
    MEMBERS,
    Member,
    apgd_ce,
    autoattack,
    autoattack_members,
    pgd,
    worst_case,
)
from rtickets.attacks.functions import apgd_dlr, apgd_t, square
from rtickets.platform import parallel
from tests.attacks.ensemble.autoattack.conftest import (
    APGD,
    COUNT,
    EPS,
    KEYS,
    PGD,
    SQUARE,
    TARGETED,
    attack,
    forward,
    network,
    of_member,
    subject,
    traces,
)


def test_the_worst_case_is_the_union_of_the_attacks():
    x, y = subject()
    model, members = network(), (Member("pgd", 1, step_size=0.01), SQUARE, APGD, TARGETED)
    alone = (
        pgd(model, x, y, of_member(0), eps=EPS, step_size=0.01, num_steps=1, best=True),
        square(model, x, y, of_member(1), eps=EPS, num_queries=12),
        apgd_ce(model, x, y, of_member(2), eps=EPS, num_steps=6, restarts=2),
        apgd_t(model, x, y, of_member(3), eps=EPS, num_steps=6, num_targets=3),
    )
    fooled = np.stack([model(x_adv).argmax(-1) != y for x_adv in alone])
    found = attack(members)
    correct = np.asarray(model(x).argmax(-1) == y)
    np.testing.assert_array_equal(found.correct, correct)
    assert (~correct).sum() == 2
    np.testing.assert_array_equal(found.robust, correct & ~fooled.any(0))
    names = np.array([member.kind for member in members])
    expected = np.where(found.correct & fooled.any(0), names[fooled.argmax(0)], "")
    np.testing.assert_array_equal(found.fooled_by, expected)
    assert len(set(expected)) > 2  # several attacks have a share
    by_square = found.fooled_by == "square"  # which stops at the first image that fools
    assert by_square.any()
    np.testing.assert_allclose(found.x_adv[by_square], alone[1][by_square], atol=1e-6)
    np.testing.assert_array_equal(found.recomputed, found.robust)
    left, evaluations = int(correct.sum()), (2, 12, 7 * 2, 7 * 3)
    for index, (row, most) in enumerate(zip(found.rows, evaluations, strict=True)):
        assert (row.attack, row.attacked) == (members[index].kind, left)
        assert row.fooled == (correct & fooled[index] & ~fooled[:index].any(0)).sum()
        left -= row.fooled
        assert row.robust_accuracy == left / COUNT
        assert left * most <= row.evaluations <= row.attacked * most
        assert row.note == ""
    untouched = ~correct | found.robust
    np.testing.assert_array_equal(found.x_adv[untouched], x[untouched])
    assert np.abs(found.x_adv - x).max() <= EPS + 1e-6
    assert found.x_adv.min() >= 0
    assert found.x_adv.max() <= 1


@pytest.mark.parametrize(
    ("devices", "batch_size", "mapping"),
    [(1, 7, "pmap"), (1, 24, "pmap"), (2, 10, "pmap"), (4, 24, "pmap"), (2, 24, "shard_map")],
)
def test_the_result_depends_neither_on_batches_nor_on_devices(devices, batch_size, mapping):
    expected = reference()
    found = attack((PGD, TARGETED), devices=devices, batch_size=batch_size, mapping=mapping)
    np.testing.assert_array_equal(found.fooled_by, expected.fooled_by)
    np.testing.assert_array_equal(found.recomputed, expected.recomputed)
    assert [row.fooled for row in found.rows] == [row.fooled for row in expected.rows]
    untargeted = found.fooled_by != "apgd_t"  # which target succeeds first may differ
    np.testing.assert_allclose(found.x_adv[untargeted], expected.x_adv[untargeted], atol=1e-6)


CACHE = {}


def reference():
    if not CACHE:
        CACHE[0] = attack((PGD, TARGETED))
    return CACHE[0]


def test_the_result_of_an_example_does_not_depend_on_the_others():
    x, y = subject()
    whole, some = reference(), np.array([20, 5, 2, 11, 17])
    found = worst_case(
        network(), x[some], y[some], KEYS[some], eps=EPS, members=(PGD, TARGETED),
        devices=parallel.local_devices(1),
    )  # fmt: skip
    np.testing.assert_array_equal(found.fooled_by, whole.fooled_by[some])
    np.testing.assert_array_equal(found.robust, whole.robust[some])


def test_every_attack_compiles_the_model_once_for_all_networks_and_radii():
    members = (Member("pgd", 5, step_size=0.02), Member("apgd_ce", 5), Member("square", 5))
    traces.clear()
    found = attack(members, eps=1e-4)  # nobody is fooled, so that every array keeps its size
    assert [row.fooled for row in found.rows] == [0, 0, 0]
    assert len(traces) <= len(members) + 3  # what it computes, clean prediction, `subject`
    traces.clear()
    attack(members, network(1), eps=1e-5)
    assert len(traces) == 2  # what it computes, and the one of `subject`


def test_a_radius_of_zero_changes_nothing_and_nobody_is_fooled():
    for norm in ("linf", "l2", "l1"):
        found = attack((PGD,), eps=0.0, norm=norm)
        np.testing.assert_array_equal(found.x_adv, subject()[0])
        np.testing.assert_array_equal(found.robust, found.correct)


@pytest.mark.parametrize("kind", ["pgd", "fab"])
def test_restarts_share_a_program_when_images_are_fooled_between_them(kind):
    traces.clear()
    step_size = 0.02 if kind == "pgd" else None
    found = attack((Member(kind, 4, restarts=4, step_size=step_size),), batch_size=24)
    assert 3 < found.rows[0].fooled < 20
    assert len(traces) <= 4  # the attack, what it computes, the clean prediction, `subject`


def test_with_few_classes_the_rows_say_that_the_margin_is_used():
    model = network(classes=3)
    members = (Member("apgd_dlr", 2), Member("apgd_t", 2, num_targets=9), Member("apgd_ce", 2))
    notes = [row.note for row in attack(members, model).rows]
    assert notes[0] == notes[2] == ""
    assert "the targeted DLR loss needs 4 classes, there are 3" in notes[1]
    assert Member("apgd_dlr").why_margin(2)
    assert Member("pgd", 2, step_size=0.1, loss="dlr").why_margin(2)
    assert Member("pgd", 2, step_size=0.1).why_margin(2) is None


def broken(weights, x):
    """Logits that are NaN off the grid of 8-bit images."""
    off = jnp.abs(255 * x - jnp.round(255 * x)).max((1, 2, 3)) > 1e-3
    return jnp.where(off[:, None], jnp.nan, forward(weights, x))


def test_an_image_with_nan_logits_counts_as_fooled_and_again_when_recomputed():
    x = (np.round(255 * subject()[0]) / 255).astype(np.float32)
    model = Partial(broken, *network().args)
    y = np.zeros(COUNT, int)  # what argmax of NaN would say, too
    found = worst_case(model, x, y, KEYS, eps=EPS, members=(PGD,), batch_size=32)
    assert found.correct.any()
    assert not found.robust.any()
    np.testing.assert_array_equal(found.recomputed, found.robust)


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, (5,)))(keys)
    return forward(weights, x) + 0.1 * noise


def test_a_random_model_is_attacked_reproducibly():
    members = tuple(Member(kind, 4, samples=2) for kind in ("apgd_ce", "apgd_dlr"))
    model, (x, y) = Partial(noisy, *network().args), subject()
    options = {"eps": EPS, "members": members, "batch_size": COUNT}
    first, again = (worst_case(model, x, y, KEYS, **options) for _ in range(2))
    np.testing.assert_array_equal(first.x_adv, again.x_adv)
    np.testing.assert_array_equal(first.fooled_by, again.fooled_by)
    assert sum(row.fooled for row in first.rows) > 0


def test_the_published_ensembles():
    def summary(version):
        return [
            (m.kind, m.num_steps, m.restarts, m.num_targets, m.samples) for m in MEMBERS[version]
        ]

    assert summary("standard") == [
        ("apgd_ce", 100, 1, None, 0),
        ("apgd_t", 100, 1, 9, 0),
        ("fab_t", 100, 1, 9, 0),
        ("square", 5000, 1, None, 0),
    ]
    assert summary("plus") == [
        ("apgd_ce", 100, 5, None, 0),
        ("apgd_dlr", 100, 5, None, 0),
        ("fab", 100, 5, None, 0),
        ("square", 5000, 1, None, 0),
        ("apgd_t", 100, 1, 9, 0),
        ("fab_t", 100, 1, 9, 0),
    ]
    assert summary("rand") == [("apgd_ce", 100, 1, None, 20), ("apgd_dlr", 100, 1, None, 20)]


def test_in_l1_the_standard_ensemble_has_more_runs_and_fewer_targets():
    first, second, *others = autoattack_members("standard", "l1")
    assert (first.kind, first.restarts) == ("apgd_ce", 5)
    assert (second.kind, second.num_targets) == ("apgd_t", 5)
    assert (*others,) == MEMBERS["standard"][2:]
    assert autoattack_members("standard", "l2") == MEMBERS["standard"]
    assert not MEMBERS["standard"][-1].rescale


def test_autoattack_returns_the_images_of_the_worst_case(monkeypatch):
    monkeypatch.setitem(MEMBERS, "fast", (PGD, TARGETED))
    x, y = subject()
    x_adv = autoattack(network(), x, y, KEYS, eps=EPS, version="fast", batch_size=32)
    np.testing.assert_array_equal(np.abs(x_adv - x).max((1, 2, 3)) > 0, reference().fooled_by != "")


def test_apgd_dlr_alone_equals_its_function():
    x, y = subject()
    found = attack((Member("apgd_dlr", 6),))
    alone = apgd_dlr(network(), x, y, of_member(0), eps=EPS, num_steps=6)
    fooled = np.asarray(network()(alone).argmax(-1) != y)
    np.testing.assert_array_equal(found.robust, found.correct & ~fooled)
