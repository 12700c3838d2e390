"""Random models: what counts is the mean over draws, which a linear model has in closed form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.stats import norm as gaussian

from rtickets.attacks import Member, pgd, worst_case
from rtickets.attacks.expectation import number_of_turns, rate, worst
from rtickets.attacks.search import Job
from rtickets.platform import parallel
from tests.attacks.ensemble.killed import Killed, killed_after

SHAPE, COUNT, SIGMA = (4, 4, 1), 48, 0.25
WEIGHTS = np.random.default_rng(0).normal(size=16).astype(np.float32)
LENGTH = np.linalg.norm(WEIGHTS)
DUAL = {"linf": np.abs(WEIGHTS).sum(), "l2": LENGTH}
MARGINS = np.linspace(0.2, 1.4, COUNT)
KEY = jax.random.key(4)
Y = np.arange(COUNT) % 2


def noisy(weights, x, keys):
    noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
    logit = ((x + SIGMA * noise).reshape(len(x), -1) - 0.5) @ weights
    return jnp.stack([-logit, logit], -1) / 2


MODEL = Partial(noisy, WEIGHTS)
ALONG = (2 * Y - 1) * MARGINS / LENGTH**2
X = (0.5 + np.outer(ALONG, WEIGHTS)).reshape(-1, *SHAPE).astype(np.float32)


def optimum(eps, norm):
    """Return the mean accuracy under the worst perturbation: the box is out of its reach."""
    return gaussian.cdf((MARGINS - eps * DUAL[norm]) / (SIGMA * LENGTH)).mean()


def accuracy(x_adv, draws=400, seed=99):
    """Return the mean accuracy over fresh draws, to about 0.004."""
    total = 0.0
    run = jax.jit(noisy)
    for draw in range(draws):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), draw), COUNT)
        total += float((run(WEIGHTS, x_adv, keys).argmax(-1) == Y).mean())
    return total / draws


def test_the_closed_form_is_that_of_the_model():
    assert accuracy(X) == pytest.approx(optimum(0, "linf"), abs=0.015)
    sign = np.where(Y[:, None] == 1, -1, 1) * np.sign(WEIGHTS)
    moved = X + 0.15 * sign.reshape(-1, *SHAPE).astype(np.float32)
    assert accuracy(moved) == pytest.approx(optimum(0.15, "linf"), abs=0.015)


EPS = {"linf": 0.15, "l2": 0.6}
SLOW = {"num_steps": 20, "samples": 4}  # so slow that the first images are weak ones


def slow(norm, **options):
    eps = EPS[norm]
    return pgd(MODEL, X, Y, KEY, eps=eps, step_size=eps / 16, norm=norm, **SLOW, **options)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_best_image_and_the_best_restart_are_no_lucky_ones(norm):
    last, best, restarted = (
        accuracy(slow(norm, **options)) for options in ({}, {"best": True}, {"restarts": 3})
    )
    assert optimum(EPS[norm], norm) - 0.02 < restarted < best + 0.01 < last + 0.02


def test_the_best_image_is_no_lucky_one_where_the_attack_is_compiled_into_a_caller():
    best = partial(pgd, eps=0.15, step_size=0.1, best=True, unroll=False, **SLOW)
    compiled = jax.jit(lambda x: best(MODEL, x, Y, KEY))
    assert accuracy(compiled(X)) == pytest.approx(optimum(0.15, "linf"), abs=0.02)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_worst_case_over_attacks_reaches_the_closed_form(norm):
    eps, best = EPS[norm], optimum(EPS[norm], norm)
    members = Member("pgd", step_size=eps / 8, **SLOW), Member("apgd_ce", 10, samples=4)
    found = worst_case(MODEL, X, Y, KEY, eps=eps, norm=norm, members=members, batch_size=20)
    assert found.accuracy.mean() == pytest.approx(best, abs=0.02)
    assert accuracy(found.x_adv) == pytest.approx(best, abs=0.02)
    assert accuracy(found.x_adv) <= accuracy(slow(norm)) + 0.01
    np.testing.assert_array_equal(found.recomputed, found.accuracy > 0.5)
    assert not (found.recomputed & (found.fooled_by != "")).any()
    assert found.expected.draws == 100
    for index, row in enumerate(found.rows):
        assert (row.attacked, row.evaluations) == (COUNT, COUNT * (21, 11)[index])  # to the end
        assert row.robust_accuracy == found.expected.after[index].mean()
    first, second = found.expected.after
    assert (second <= first).all()
    assert np.abs(found.x_adv - X).max() <= eps + 1e-6


def test_what_is_reported_was_not_chosen_by():
    """Of a model that tosses a coin for every image and draw no image is worse than another."""

    def coin(x, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
        logit = jnp.sin(500 * (x * noise).reshape(len(x), -1).sum(-1))
        return jnp.stack([-logit, logit], -1)

    members = (Member("pgd", 4, restarts=4, step_size=0.05, samples=10),)
    found = worst_case(coin, X, Y, KEY, eps=0.1, members=members)
    assert found.rows[0].robust_accuracy < 0.47  # the luckiest of five
    assert found.accuracy.mean() == pytest.approx(0.5, abs=0.02)


def test_targets_of_random_models_are_compared_one_after_the_other():
    members = (Member("apgd_t", 6, num_targets=3, restarts=2, samples=4),)
    found = worst_case(MODEL, X, Y, KEY, eps=0.15, members=members)  # of one other class
    assert found.rows[0].evaluations == 2 * 7 * COUNT
    assert found.accuracy.mean() == pytest.approx(optimum(0.15, "linf"), abs=0.03)


def test_a_radius_of_zero_changes_nothing():
    members = (Member("apgd_ce", 2, samples=4),)
    found = worst_case(MODEL, X, Y, KEY, eps=0.0, members=members)
    np.testing.assert_array_equal(found.x_adv, X)
    assert (found.fooled_by == "").all()
    assert found.accuracy.mean() == pytest.approx(optimum(0, "linf"), abs=0.02)


@pytest.mark.parametrize("saves", [2, 9, 17])
def test_killed_at_any_moment_it_ends_bit_equal(saves, tmp_path, monkeypatch):
    members = tuple(Member(kind, 4, samples=4) for kind in ("apgd_ce", "apgd_dlr"))

    def attack(**options):
        options |= {"eps": 0.15, "members": members, "batch_size": 32}
        return worst_case(MODEL, X, Y, KEY, devices=parallel.local_devices(1), **options)

    expected = attack()
    with killed_after(monkeypatch, saves), pytest.raises(Killed):
        attack(folder=tmp_path)
    found = attack(folder=tmp_path)
    np.testing.assert_array_equal(found.x_adv, expected.x_adv)
    np.testing.assert_array_equal(found.accuracy, expected.accuracy)
    np.testing.assert_array_equal(found.expected.after, expected.expected.after)


def test_the_worst_of_several_images_is_the_same_compiled():
    job = Job(jnp.asarray(X), jnp.asarray(Y), jnp.asarray(Y), jax.random.split(KEY, COUNT), 0.0)
    moved = X - 0.1 * (2 * Y - 1).reshape(-1, 1, 1, 1) * np.sign(WEIGHTS).reshape(SHAPE)
    moved = moved.astype(np.float32)
    found = worst(MODEL, job, [jnp.asarray(X), jnp.asarray(moved)], 20)
    np.testing.assert_array_equal(found, moved)
    compiled = jax.jit(lambda x: worst(MODEL, job, [x, jnp.asarray(moved)], 20))(X)
    np.testing.assert_array_equal(compiled, moved)
    one, other = (rate(MODEL, job, jnp.asarray(x), 20) for x in (X, moved))
    assert (other.success >= one.success).all()
    assert (number_of_turns(20), number_of_turns(3)) == (5, 34)
