"""Fitting a network to one picture: what stays pruned, what is remembered, what goes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks
from rtickets.errors import NonFiniteLossError
from rtickets.restoration import (
    FitConfig,
    MaskConfig,
    Point,
    fit,
    initial_mask,
    nothing_removed,
    outcome_of,
)
from rtickets.restoration.fitting import _jumped

SHORT = FitConfig(steps=12, every=5)


@pytest.fixture(scope="module")
def dense(painter, problem):
    return fit(painter, nothing_removed(painter.params), problem, SHORT)


def test_a_fit_comes_closer_and_remembers_how(dense, problem, clean):
    assert [point.step for point in dense.history] == [0, 5, 10, 12]
    assert dense.history[-1].loss < dense.history[0].loss
    assert dense.stopped == "steps"
    assert dense.backs == ()
    error = float(((dense.picture - clean) ** 2).mean())
    assert dense.history[-1].psnr == pytest.approx(-10 * np.log10(error), abs=1e-3)
    observed = np.asarray(problem.batch["observed"][0])
    expected = ((dense.picture - observed) ** 2).mean()
    assert dense.history[-1].loss == pytest.approx(expected, rel=1e-3)
    found = outcome_of(dense, problem)
    assert found.gap == pytest.approx(found.peak - found.final)
    assert found.noisy == pytest.approx(20, abs=1)


def test_the_same_again_is_bit_equal(dense, painter, problem):
    again = fit(painter, nothing_removed(painter.params), problem, SHORT)
    np.testing.assert_array_equal(again.picture, dense.picture)
    assert again.history == dense.history


@pytest.mark.parametrize("shaken", [{}, {"jitter": 0.03, "temperature": 0.5}])
def test_pruned_weights_stay_zero_and_the_others_move(painter, problem, shaken):
    mask = initial_mask(painter, problem, "random", MaskConfig(sparsity=0.7))
    fitted = fit(painter, mask, problem, FitConfig(steps=4, every=4, **shaken))
    keep, before = masks.leaf_paths(mask), masks.leaf_paths(painter.params)
    for path, leaf in masks.leaf_paths(fitted.params).items():
        alive = np.broadcast_to(keep[path], leaf.shape)
        assert np.all(leaf[~alive] == 0)
        if path.endswith("kernel"):
            assert np.any(leaf[alive] != np.asarray(before[path])[alive])


def test_somebody_who_watches_may_end_it(painter, problem):
    seen = []

    def watch(point):
        seen.append(point.step)
        return True

    fitted = fit(painter, nothing_removed(painter.params), problem, SHORT, watch=watch)
    assert seen == [5]
    assert fitted.stopped == "asked"


def test_a_run_that_jumps_away_goes_back(painter, problem):
    wild = FitConfig(steps=6, every=2, learning_rate=1e30)
    fitted = fit(painter, nothing_removed(painter.params), problem, wild)
    assert all(np.isfinite(point.loss) for point in fitted.history)
    assert np.isfinite(fitted.picture).all()
    assert fitted.backs
    if fitted.stopped == "diverged":
        assert outcome_of(fitted, problem).verdict == "diverged"


def test_jumps_are_losses_that_are_none_or_far_above_all_before():
    def point(loss):
        return Point(1, loss, None, None, None, loss)

    history = [point(0.1), point(0.01)]
    assert _jumped(point(float("nan")), history)
    assert _jumped(point(0.2), history)
    assert not _jumped(point(0.05), history)  # still better than at the start
    assert not _jumped(point(0.011), history)


def test_a_network_that_is_broken_from_the_start_is_refused(painter, problem):
    broken = painter._replace(params=jax.tree.map(lambda leaf: leaf * jnp.nan, painter.params))
    with pytest.raises(NonFiniteLossError):
        fit(broken, nothing_removed(painter.params), problem, SHORT)


def test_a_network_without_weights_has_collapsed(painter, problem):
    mask = jax.tree.map(lambda leaf: np.zeros(leaf.shape, bool), painter.params)
    fitted = fit(painter, mask, problem, FitConfig(steps=2))
    assert outcome_of(fitted, problem).verdict == "collapsed"
